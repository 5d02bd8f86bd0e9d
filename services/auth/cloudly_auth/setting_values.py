"""What a setting's value may be, by its type; every answer says what is wrong and what would be right."""

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from cloudly.options.v1 import options_pb2
from cloudly_kit.validation import matches

from cloudly_auth.setting_keys import SettingKey, SettingType

MAX_WORKERS = 64
_WORKER_FIELDS = {"url", "token", "id"}
_WORKER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def faults(known: SettingKey, value: str) -> list[tuple[str, str]]:
    """What is wrong with a value, as pairs of a place in it (empty: the whole) and a description without the value."""
    if any(ord(char) < 32 and char not in "\t\n\r" for char in value):
        return [("", "must not contain control characters")]
    if known.key == "corebuildWorkersJson":
        return _workers(value)
    found = _RULES[known.type](value)
    return [("", found)] if found else []


def tidy(known: SettingKey, value: str) -> str:
    """The value without what copying adds: white space around it, a slash after a URL."""
    value = value.strip()
    return value.rstrip("/") if known.type == "url" else value


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        return "must be an http or https URL such as https://worker.example.com:8443"
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine or re.search(r"\s", value):
        return "must be an http or https URL such as https://worker.example.com:8443"
    if parts.username or parts.password:
        return "must not contain a user or password; put the token into its own setting"
    if parts.query or parts.fragment:
        return "must end with its path, without ? or #"
    return "" if not _host(parts.hostname) else "must name a valid host"


def _host(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        # What looks like an address and is none is a typing error, not a host name.
        if "*" in value or re.fullmatch(r"[0-9.]+", value) or not matches(options_pb2.FORMAT_DOMAIN, value):
            return "must be a host name such as edge.example.com or an IP address, without protocol or port"
    return ""


def _port(value: str) -> str:
    if re.fullmatch(r"[0-9]{1,5}", value) and 1 <= int(value) <= 65535:
        return ""
    return "must be a port: a whole number from 1 to 65535"


def _token(value: str) -> str:
    if not value.isascii() or re.search(r"\s", value):
        return "must be a single word of ASCII characters; a line break or a blank was probably copied with it"
    return ""


def _text(value: str) -> str:
    return "is longer than 4096 characters" if len(value) > 4096 else ""


def _json(value: str) -> str:
    try:
        parsed = json.loads(value)
    except ValueError as error:
        return _not_json(error)
    return "" if isinstance(parsed, dict) else "must be a JSON object"


def _not_json(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
    return "is not JSON"


_RULES: Mapping[SettingType, Callable[[str], str]] = {
    "text": _text,
    "token": _token,
    "url": _url,
    "host": _host,
    "port": _port,
    "json": _json,
}


def _workers(value: str) -> list[tuple[str, str]]:
    try:
        workers = json.loads(value)
    except (ValueError, RecursionError) as error:
        return [("", _not_json(ValueError()) if isinstance(error, RecursionError) else _not_json(error))]
    if not isinstance(workers, list):
        return [("", 'must be a JSON array of URLs or of objects such as {"url": "https://…", "token": "…"}')]
    if len(workers) > MAX_WORKERS:
        return [("", f"has {len(workers)} workers; at most {MAX_WORKERS} are allowed")]
    found = [fault for index, worker in enumerate(workers) for fault in _worker(worker, f"[{index}]")]
    ids = [worker["id"] for worker in workers if isinstance(worker, dict) and isinstance(worker.get("id"), str)]
    for index, worker in enumerate(workers):
        if isinstance(worker, dict) and isinstance(worker.get("id"), str) and ids.count(worker["id"]) > 1:
            found.append((f"[{index}].id", "is the id of another worker too"))
    return found


def _worker(worker: Any, place: str) -> list[tuple[str, str]]:
    if isinstance(worker, str):
        wrong = _url(worker)
        return [(place, wrong)] if wrong else []
    if not isinstance(worker, dict):
        return [(place, "must be a URL or an object with url, token and id")]
    found = [
        (f"{place}.{name[:40]}", "is no field of a worker; there are url, token and id")
        for name in worker
        if name not in _WORKER_FIELDS
    ]
    rules: dict[str, Callable[[str], str]] = {"url": _url, "token": _token, "id": _worker_id}
    for name, rule in rules.items():
        value = worker.get(name)
        if value is None:
            wrong = "is required" if name == "url" else ""
        else:
            wrong = rule(value) if isinstance(value, str) else "must be a text"
        if wrong:
            found.append((f"{place}.{name}", wrong))
    return found


def _worker_id(value: str) -> str:
    if _WORKER_ID.fullmatch(value):
        return ""
    return "must be 1 to 64 letters, digits, dots, hyphens or underscores, starting with a letter or digit"
