"""Where secrets are looked for: all that a suite keeps."""

import re
from collections.abc import Iterator
from typing import Any

import bson
import pymongo
import redis

from tests.conftest import Suite


def kept(suite: Suite, cache: "redis.Redis") -> Iterator[tuple[str, bytes]]:
    """Everything in Redis and in all databases, as it can be read."""
    yield "Redis", b"\n".join(_redis_values(cache))
    mongo: pymongo.MongoClient[Any] = pymongo.MongoClient(suite.stores()["MONGODB_URL"])
    for database in mongo.list_database_names():
        for collection in mongo[database].list_collection_names():
            rows = [bson.encode(row) for row in mongo[database][collection].find({})]
            yield f"the database's {database}.{collection}", b"\n".join(rows)
    mongo.close()


def cache_of(suite: Suite) -> "redis.Redis":
    """The suite's Redis."""
    lines = (suite.directory / "data/run/redis.conf").read_text().splitlines()
    told = dict(line.split(" ", 1) for line in lines if " " in line)
    return redis.Redis(port=int(told["port"]), password=told["requirepass"].strip('"'))


def _redis_values(cache: "redis.Redis") -> Iterator[bytes]:
    read: dict[bytes, Any] = {
        b"string": cache.get,
        b"hash": cache.hgetall,
        b"list": lambda key: cache.lrange(key, 0, -1),
        b"set": cache.smembers,
        b"zset": lambda key: cache.zrange(key, 0, -1, withscores=True),
        b"stream": cache.xrange,
    }
    for key in cache.scan_iter(count=1000):
        yield key
        yield from _bytes(read[cache.type(key)](key))


def _bytes(value: Any) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, dict):
        yield from _bytes(list(value.items()))
    elif isinstance(value, list | tuple | set):
        for one in value:
            yield from _bytes(one)


def own_keys(suite: Suite) -> dict[str, str]:
    """The master keys and the services' private keys, which lie in their files alone."""
    found = {}
    for path in (suite.directory / "data/keys").iterdir():
        if path.suffix in (".key", ".json"):
            long = re.findall(r"[A-Za-z0-9+/_=-]{40,}", path.read_text())
            assert long, f"{path} holds no key"
            found |= {f"{path.name} ({number})": word for number, word in enumerate(long)}
    return found


def files(suite: Suite) -> Iterator[tuple[str, bytes]]:
    """All files of the stopped suite but its keys: logs, the database's and Redis' own, objects, what it renders."""
    yield "the terminal", (suite.directory / "up.log").read_bytes()
    data = suite.directory / "data"
    for path in sorted(data.rglob("*")):
        inside = path.relative_to(data)
        if path.is_file() and inside.parts[0] != "keys":
            yield f"the log of {path.stem}" if inside.parts[0] == "logs" else f"the file {inside}", path.read_bytes()
