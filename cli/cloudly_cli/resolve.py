"""Names into ids, by the list of their kind."""

import re
from typing import Any

from cloudly_cli.client import Client
from cloudly_cli.contract import Contract, Verb
from cloudly_cli.failures import Failure, Problem

_ID = re.compile(r"[a-z2-7]{20}")
PAGE_SIZE = 200


def resolve(client: Client, contract: Contract, noun: str, given: str, *, strict: bool) -> str:
    """The id of the resource that is called so.

    What looks like an id is one. Where `strict` is false (devices choose ids of their own), an unknown name is taken as
    an id too.

    Raises:
        Failure: no resource has this name (exit code 4), or several have.
    """
    verb = contract.list_of(noun)
    if _ID.fullmatch(given) or verb is None or verb.listed is None:
        return given
    if "name" not in contract.fields(verb.listed.type):
        return given
    found = [record for record in _named(client, verb, given) if record.get("name") == given]
    if any(record.get("id") == given for record in found) or (not found and not strict):
        return given
    if not found:
        raise Failure(f"there is no {noun} named {given!r}", 4, f"`cloudly {noun} list` shows them.")
    if len(found) > 1:
        ids = "\n".join(f"  {record['id']}" for record in found)
        raise Failure(f"{len(found)} {noun}s are named {given!r}:\n{ids}", 1, "Say which one by its id.")
    return str(found[0]["id"])


def every(client: Client, verb: Verb, query: dict[str, Any], *, limit: int = 0, path: str = "") -> list[dict[str, Any]]:
    """The records of a list, page by page, all or the first `limit`; `path` where the verb's own has gaps."""
    assert verb.listed is not None
    paged = "page_token" in verb.request
    records: list[dict[str, Any]] = []
    token = ""
    while True:
        page = {"pageSize": min(PAGE_SIZE, limit - len(records)) if limit else PAGE_SIZE, "pageToken": token}
        answer = client.call("GET", path or verb.http["path"], query={**query, **(page if paged else {})})
        records += answer.get(verb.listed.json, [])
        token = answer.get("nextPageToken", "")
        if not token or (limit and len(records) >= limit):
            return records[:limit] if limit else records


def _named(client: Client, verb: Verb, name: str) -> list[dict[str, Any]]:
    # A list that cannot be filtered by name is looked through.
    if "filter" in verb.request and '"' not in name and "\\" not in name:
        try:
            return every(client, verb, {"filter": f'name = "{name}"'})
        except Problem as problem:
            if problem.reason != "INVALID_ARGUMENT":
                raise
    return every(client, verb, {})
