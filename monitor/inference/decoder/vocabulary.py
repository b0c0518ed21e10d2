"""Tokens as the bytes they stand for, so that text can be cut anywhere and put together again."""

from __future__ import annotations

from typing import Any

import msgspec
from tokenizers import Tokenizer

SPACE = "▁"  # SentencePiece's blank


def byte_letters() -> dict[str, int]:
    """The letters that byte-level tokenizers write bytes with.

    As in https://github.com/openai/gpt-2, ``encoder.py``: printable bytes are their own letters.

    >>> letters = byte_letters()
    >>> bytes(letters[each] for each in "ĠcafÃ©")
    b' caf\\xc3\\xa9'
    """
    own = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in own]
    return {chr(byte): byte for byte in own} | {chr(256 + place): byte for place, byte in enumerate(others)}


def token_bytes(tokenizer: Tokenizer, size: int) -> list[bytes]:
    """The bytes of each token of a model with so many; special tokens and ids without a token have none."""
    plain: dict[str, Any] = msgspec.json.decode(tokenizer.to_str())
    special = {each["id"] for each in plain.get("added_tokens") or () if each["special"]}
    added: dict[int, str] = {each["id"]: each["content"] for each in plain.get("added_tokens") or ()}
    levels = kinds(plain.get("decoder") or {})
    letters = byte_letters()
    pieces: dict[int, str] = {place: piece for piece, place in tokenizer.get_vocab().items()}

    def spelt(token: int) -> bytes:
        piece = pieces.get(token)
        if piece is None or token in special:
            return b""
        if token in added:
            return added[token].encode()
        if "ByteLevel" in levels:
            return bytes(letters[each] for each in piece if each in letters)
        if "ByteFallback" in levels and len(piece) == 6 and piece.startswith("<0x"):
            return bytes([int(piece[3:5], 16)])
        return piece.replace(SPACE, " ").encode()

    return [spelt(token) for token in range(size)]


def kinds(decoder: Any) -> set[str]:
    """The types of a decoder and of those in it."""
    found = {decoder.get("type", "")}
    for each in decoder.get("decoders") or ():
        found |= kinds(each)
    return found
