"""Bytes to traces and back: what can't be read becomes a reject with its reason."""

from monitor.codec.messages import alert_message
from monitor.codec.opinions import decode_opinions
from monitor.codec.records import Limits, decode, decode_batch
from monitor.codec.schema import json_schema
from monitor.codec.vectors import pack_float16, unpack_float16

__all__ = [
    "Limits", "alert_message", "decode", "decode_batch", "decode_opinions", "json_schema", "pack_float16",
    "unpack_float16",
]  # fmt: skip
