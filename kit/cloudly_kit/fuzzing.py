"""Requests as nobody would write them, made from the contract alone; for tests.

Half of all texts come from a pool that the test hands in (ids, names and tokens that exist), so that calls get past the
first look; the others are what breaks parsers, stores and clocks.
"""

from typing import Any

import grpc
from google.protobuf.message import Message
from hypothesis import strategies as st

from cloudly_kit.contract import FieldDescriptor, Method

BROKEN = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.DATA_LOSS,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
"""What no request may be answered with, whatever is in it."""

HOSTILE = [
    "",
    " ",
    "\0",
    "\n",
    "a" * 5000,
    "\u202eadmin",
    "\uff41\uff44\uff4d\uff49\uff4e",
    "\U0010ffff" * 70,
    "../../etc/passwd",
    "%00%2e%2e",
    "$where",
    "a.b.$[]",
    '{"$gt": ""}',
    "<script>alert(1)</script>",
    "eyJhbGciOiJub25lIn0.e30.",
    "cloudly_pat_",
    "name = ",
    '((((((name = "x"))))))',
    "-1",
    "99999999999999999999",
    "NaN",
]
_DEPTH = 4
_INTEGERS = {
    "CPPTYPE_INT32": (-(2**31), 2**31 - 1),
    "CPPTYPE_INT64": (-(2**63), 2**63 - 1),
    "CPPTYPE_UINT32": (0, 2**32 - 1),
    "CPPTYPE_UINT64": (0, 2**64 - 1),
    "CPPTYPE_ENUM": (-1, 99),
}


@st.composite
def requests(draw: st.DrawFn, method: Method, pool: list[str]) -> Message:
    """Requests of the method; texts are often drawn from the pool."""
    texts = st.sampled_from(pool) | st.sampled_from(HOSTILE) | st.text(max_size=80)
    return _filled(draw, method.request_class(), texts, 0)


def _filled(draw: st.DrawFn, message: Message, texts: st.SearchStrategy[str], depth: int) -> Message:
    for field in message.DESCRIPTOR.fields:
        if not draw(st.booleans()):
            continue
        if field.message_type is not None and depth >= _DEPTH:
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            _fill_map(draw, getattr(message, field.name), field, texts, depth)
        elif field.is_repeated:
            target = getattr(message, field.name)
            for _ in range(draw(st.sampled_from([1, 1, 2, 40]))):
                if field.message_type is not None:
                    _filled(draw, target.add(), texts, depth + 1)
                else:
                    target.append(draw(_scalar(field, texts)))
        elif field.message_type is not None:
            target = getattr(message, field.name)
            target.SetInParent()
            _filled(draw, target, texts, depth + 1)
        else:
            setattr(message, field.name, draw(_scalar(field, texts)))
    return message


def _fill_map(draw: st.DrawFn, target: Any, field: FieldDescriptor, texts: st.SearchStrategy[str], depth: int) -> None:
    key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
    for _ in range(draw(st.integers(1, 3))):
        drawn = draw(_scalar(key, texts))
        if value.message_type is not None:
            _filled(draw, target[drawn], texts, depth + 1)
        else:
            target[drawn] = draw(_scalar(value, texts))


def _scalar(field: FieldDescriptor, texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    kind = field.cpp_type
    if kind == field.CPPTYPE_STRING:
        return st.binary(max_size=300) if field.type == field.TYPE_BYTES else texts
    if kind == field.CPPTYPE_BOOL:
        return st.booleans()
    if kind in (field.CPPTYPE_DOUBLE, field.CPPTYPE_FLOAT):
        return st.floats(width=32)
    for name, (least, most) in _INTEGERS.items():
        if kind == getattr(field, name):
            return st.integers(least, most) | st.sampled_from([0, 1, most])
    raise TypeError(f"{field.full_name} is of a type that nobody has thought of")
