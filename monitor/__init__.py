"""Monitoring and guardrails for LLM services."""

import os

# ONNX Runtime reads this when it is imported; without it, it writes a device id under HOME and calls its makers.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# The tokenizers would otherwise take every core, whatever number of threads was asked for.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# numpy's BLAS likewise: products as small as ours lose more to waiting threads than they win.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
