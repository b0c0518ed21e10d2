"""The model of a worker, from its settings."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import msgspec

from monitor.errors import Permanent
from monitor.events import Away
from monitor.inference.decoder.decoder import Decoder
from monitor.inference.decoder.folder import ModelFolder, read_folder
from monitor.inference.decoder.vocabulary import token_bytes
from monitor.inference.shipped import model_folder
from monitor.model.trace import Engine, Model, PromptTemplate, Quantization, Service, Tokenization
from monitor.ports import Emit
from monitor.settings import WorkerSettings
from monitor.worker import Origin, Words

ENGINE = "onnxruntime"


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A model ready to run, and the build that traces name."""

    folder: ModelFolder
    decoder: Decoder
    build: Model
    words: Words

    @property
    def name(self) -> str:
        return self.build.name


def loaded(wanted: WorkerSettings, emit: Emit) -> Loaded:
    """The model of the settings. Raises Permanent with what is wrong with it."""
    if wanted.model is None:
        raise Permanent("DRIFTWARDEN_WORKER__MODEL is not set: a folder with model.onnx and tokenizer.json")
    folder = read_folder(model_folder(wanted.model), template=wanted.template)
    decoder = decoder_of(folder, wanted, emit)
    graph = decoder.graph
    bits = {"int8": 8, "int4": 4}.get(graph.precision)
    build = msgspec.structs.replace(
        folder.build,
        name=wanted.name or folder.build.name,
        provider="driftwarden",
        precision=folder.build.precision or graph.precision,
        quantization=folder.build.quantization or (Quantization(bits=bits, group_size=graph.group) if bits else None),
        engine=Engine(ENGINE, version_of(ENGINE), decoder.provider),
    )
    return Loaded(folder, decoder, build, Words(token_bytes(folder.tokenizer, decoder.vocabulary), folder.ends))


def decoder_of(folder: ModelFolder, wanted: WorkerSettings, emit: Emit) -> Decoder:
    """The decoder on the provider asked for; on the CPU where that is not to be had and the settings allow it."""
    length = min(wanted.length, folder.length)

    def load(provider: Any) -> Decoder:
        return Decoder.load(folder.graph, slots=wanted.slots, length=length, threads=wanted.threads, provider=provider)

    try:
        return load(wanted.provider)
    except Permanent as error:
        if wanted.provider == "cpu" or not wanted.fallback:
            raise
        emit(Away("cuda", f"{error}; running on the CPU instead, as worker.fallback says", 0.0))
        return load("cpu")


def version_of(engine: str) -> str | None:
    for distribution in (engine, f"{engine}-gpu"):
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return None


def origin(found: Loaded, wanted: WorkerSettings) -> Origin:
    folder, template = found.folder, found.folder.template
    named = PromptTemplate(hash=template.hash) if template is not None else None
    service = Service(wanted.service, metadata.version("driftwarden"), socket.gethostname(), wanted.environment)
    return Origin(
        model=found.build,
        service=service,
        template=named,
        tokenization=Tokenization(folder.tokenizer_hash, found.decoder.vocabulary),
        texts=[spelt.decode("utf-8", "replace") for spelt in found.words.spelt],
        top=wanted.top_logprobs,
        rate=wanted.trace_rate,
        gpu="cuda:0" if found.decoder.provider == "CUDAExecutionProvider" else None,
    )
