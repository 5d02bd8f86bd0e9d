"""Bytes in JSON, in the three forms in which TypedRequest clients write them (wire format §5).

{"0":104,"1":105}                                plain JSON of a Uint8Array
{"type":"Buffer","data":[104,105]}               plain JSON of a Node Buffer
{"type":"EncodedBuffer","data":"base64:aGk="}    smartjson
"""

import base64
import binascii
from typing import Any

_PREFIX = "base64:"


def read(value: Any) -> bytes | None:
    """The bytes, or None when the value is in none of the forms."""
    if not isinstance(value, dict):
        return None
    data = value.get("data")
    if value.get("type") == "Buffer" and isinstance(data, list):
        return _octets(data)
    if value.get("type") == "EncodedBuffer" and isinstance(data, str) and data.startswith(_PREFIX):
        try:
            return base64.b64decode(data[len(_PREFIX) :], validate=True)
        except binascii.Error:
            return None
    if all(value.get(str(index)) is not None for index in range(len(value))):
        return _octets([value[str(index)] for index in range(len(value))])
    return None


def write(data: bytes) -> dict[str, Any]:
    """The form that the real clients turn back into bytes everywhere: a Buffer."""
    return {"type": "Buffer", "data": list(data)}


def _octets(items: list[Any]) -> bytes | None:
    if not all(isinstance(item, int) and not isinstance(item, bool) and 0 <= item <= 255 for item in items):
        return None
    return bytes(items)
