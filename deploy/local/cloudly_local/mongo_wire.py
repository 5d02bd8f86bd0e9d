"""The two commands that the supervisor has for the database, spoken by hand: `hello` (is it healthy, does it take writes?)
and `replSetInitiate` (a fresh mongod needs it once). Loading a driver for them would double the supervisor.

Sources: the MongoDB wire protocol (OP_MSG) and bsonspec.org 1.1.
"""

import asyncio
import struct

OP_MSG = 2013
LARGEST_ANSWER = 48_000_000

Value = str | int | float | bool | dict[str, "Value"] | list["Value"]


async def command(port: int, body: dict[str, Value]) -> dict[str, Value]:
    """Run a command against the `admin` database of the server on a loopback port; the scalars of its answer.

    Raises:
        OSError, EOFError: it cannot be reached, or hung up.
        ValueError: it does not speak the protocol.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        message = struct.pack("<iB", 0, 0) + encode({**body, "$db": "admin"})
        writer.write(struct.pack("<iiii", 16 + len(message), 1, 0, OP_MSG) + message)
        length, _, _, kind = struct.unpack("<iiii", await reader.readexactly(16))
        if kind != OP_MSG or not 21 <= length <= LARGEST_ANSWER:
            message_ = f"not an OP_MSG: kind {kind}, {length} bytes"
            raise ValueError(message_)
        answer = await reader.readexactly(length - 16)
        return scalars(answer[5:])
    finally:
        writer.close()


async def takes_writes(port: int) -> bool:
    """Whether the server is up and a primary."""
    return (await command(port, {"hello": 1})).get("isWritablePrimary") is True


async def initiate(port: int, replica_set: str) -> None:
    """Make a fresh mongod the only member of its replica set; nothing happens where it is one already."""
    if "setName" not in await command(port, {"hello": 1}):
        member: Value = {"_id": 0, "host": f"127.0.0.1:{port}"}
        await command(port, {"replSetInitiate": {"_id": replica_set, "members": [member]}})


def encode(document: dict[str, Value]) -> bytes:
    """BSON of a document."""
    body = b"".join(_element(name, value) for name, value in document.items())
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def _element(name: str, value: Value) -> bytes:
    key = name.encode() + b"\0"
    match value:
        case bool():
            return b"\x08" + key + bytes([value])
        case int():
            return b"\x10" + key + struct.pack("<i", value)
        case float():
            return b"\x01" + key + struct.pack("<d", value)
        case str():
            text = value.encode() + b"\0"
            return b"\x02" + key + struct.pack("<i", len(text)) + text
        case dict():
            return b"\x03" + key + encode(value)
        case list():
            return b"\x04" + key + encode({str(index): item for index, item in enumerate(value)})


def scalars(document: bytes) -> dict[str, Value]:
    """The top-level numbers, strings and booleans of a BSON document; everything else in it is skipped.

    Raises:
        ValueError: it has an element that no answer to our commands has.
    """
    fixed = {0x01: "<d", 0x10: "<i", 0x12: "<q"}
    # ObjectId, date, null, timestamp, decimal: sizes of what is skipped.
    skipped = {0x07: 12, 0x09: 8, 0x0A: 0, 0x11: 8, 0x13: 16}
    found: dict[str, Value] = {}
    at = 4
    while at < len(document) and (kind := document[at]):
        end = document.index(b"\0", at)
        name = document[at + 1 : end].decode()
        at = end + 1
        if kind in fixed:
            (found[name],) = struct.unpack_from(fixed[kind], document, at)
            at += struct.calcsize(fixed[kind])
        elif kind == 0x08:
            found[name] = document[at] == 1
            at += 1
        elif kind in skipped:
            at += skipped[kind]
        elif kind in (0x02, 0x03, 0x04, 0x05):
            (length,) = struct.unpack_from("<i", document, at)
            if kind == 0x02:
                found[name] = document[at + 4 : at + 3 + length].decode()
            # A string and a binary count what follows their length (and subtype); documents count themselves.
            at += {0x02: 4 + length, 0x05: 5 + length}.get(kind, length)
        else:
            message = f"unknown BSON element 0x{kind:02x}"
            raise ValueError(message)
    return found
