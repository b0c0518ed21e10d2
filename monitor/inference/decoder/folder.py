"""What stands in a model folder beside the graph: tokenizer, chat template, ends, and what the build is called."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from tokenizers import Tokenizer

from monitor.errors import Permanent
from monitor.inference.card import sha256
from monitor.inference.decoder.template import ChatTemplate
from monitor.model.trace import Model

GRAPHS = ("model.onnx", "decoder_model.onnx", "onnx/model.onnx")
BUILD = "build.json"
USUAL_LENGTH = 2048

T = TypeVar("T")
Ends = int | list[int] | None


class Config(Struct, frozen=True):
    """What we read of ``config.json`` or ``generation_config.json``."""

    eos_token_id: Ends = None
    max_position_embeddings: int | None = None
    n_positions: int | None = None


class GenAiModel(Struct, frozen=True):
    eos_token_id: Ends = None
    context_length: int | None = None


class GenAiConfig(Struct, frozen=True):
    """What we read of the GenAI builder's ``genai_config.json``."""

    model: GenAiModel = GenAiModel()


class Content(Struct, frozen=True):
    content: str


class Named(Struct, frozen=True):
    name: str
    template: str


class TokenizerConfig(Struct, frozen=True):
    chat_template: str | list[Named] | None = None
    bos_token: str | Content | None = None
    eos_token: str | Content | None = None
    pad_token: str | Content | None = None
    unk_token: str | Content | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ModelFolder:
    """A model as its folder describes it.

    Attributes:
        graph: the ONNX file.
        build: what the folder's ``build.json`` says of the build, else its name; ``revision`` is the sha256 of the
            graph and of its weights.
        ends: tokens that end an answer.
        length: most positions.
        template: None where the folder has none: chat is refused then.
    """

    graph: Path
    build: Model
    ends: frozenset[int]
    length: int
    tokenizer: Tokenizer = field(repr=False)
    tokenizer_hash: str
    template: ChatTemplate | None

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """Token ids of a text; ``special`` adds those that the tokenizer puts around it."""
        found: list[int] = self.tokenizer.encode(text, add_special_tokens=special).ids
        return found


def read_folder(folder: Path, *, template: Path | None = None) -> ModelFolder:
    """The model of a folder; ``template`` is a chat template in place of the folder's.

    Raises:
        Permanent: something is missing or wrong; the text names the file.
    """
    graph = next((folder / name for name in GRAPHS if (folder / name).is_file()), None)
    if graph is None:
        raise Permanent(f"no model in {folder}: expected one of {', '.join(GRAPHS)}")
    config = read(folder / "config.json", Config) or Config()
    generation = read(folder / "generation_config.json", Config) or Config()
    genai = (read(folder / "genai_config.json", GenAiConfig) or GenAiConfig()).model
    ends = {end for each in (config, generation, genai) for end in listed(each.eos_token_id)}
    tokenizer, digest = read_tokenizer(folder)
    names = read(folder / "tokenizer_config.json", TokenizerConfig) or TokenizerConfig()
    if not ends and names.eos_token is not None and (end := tokenizer.token_to_id(text(names.eos_token))) is not None:
        ends = {end}
    if not ends:
        raise Permanent(f"{folder}: no eos_token_id in config.json, generation_config.json or genai_config.json")
    build = read(folder / BUILD, Model) or Model(name=folder.resolve().name)
    lengths = (config.max_position_embeddings, config.n_positions, genai.context_length)
    return ModelFolder(
        graph=graph,
        build=msgspec.structs.replace(build, revision=revision(graph)),
        ends=frozenset(ends),
        length=next((length for length in lengths if length), USUAL_LENGTH),
        tokenizer=tokenizer,
        tokenizer_hash=digest,
        template=read_template(folder, names, template),
    )


def read(path: Path, kind: type[T]) -> T | None:
    """The contents of a file; None where it is not there."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise Permanent(f"{path}: {error}") from error


def read_tokenizer(folder: Path) -> tuple[Tokenizer, str]:
    """The tokenizer and the beginning of its file's sha256."""
    path = folder / "tokenizer.json"
    try:
        body = path.read_bytes()
        tokenizer: Tokenizer = Tokenizer.from_str(body.decode())
    except OSError as error:
        raise Permanent(f"no tokenizer at {path}: {error.strerror}") from error
    except Exception as error:  # tokenizers raises Exception itself
        raise Permanent(f"{path}: not a tokenizer: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer, hashlib.sha256(body).hexdigest()[:16]


def read_template(folder: Path, names: TokenizerConfig, given: Path | None) -> ChatTemplate | None:
    special = {name: text(value) for name in TokenizerConfig.__struct_fields__[1:] if (value := getattr(names, name))}
    path = given or folder / "chat_template.jinja"
    try:
        return ChatTemplate.parse(path.read_text(encoding="utf-8"), special)
    except OSError as error:
        if given is not None:
            raise Permanent(f"no chat template at {given}: {error.strerror}") from error
    source = names.chat_template
    if isinstance(source, list):
        source = next((each.template for each in source if each.name == "default"), None)
    return ChatTemplate.parse(source, special) if source else None


def revision(graph: Path) -> str:
    """sha256 of the graph; where its weights are in files of their own, of the digests of all."""
    weights = sorted(graph.parent.glob(f"{graph.name}[._]*"))
    digests = [sha256(path) for path in (graph, *weights)]
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def listed(ends: Ends) -> Sequence[int]:
    return [] if ends is None else [ends] if isinstance(ends, int) else ends


def text(token: str | Content | Any) -> str:
    return token.content if isinstance(token, Content) else str(token)
