"""The commands `cloudly <noun> <verb>`, built from the contract when they are asked for."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from cloudly_cli import calls, once
from cloudly_cli.client import Client
from cloudly_cli.contract import Contract, Field, Verb
from cloudly_cli.failures import Problem
from cloudly_cli.flags import Flag, flags_of, value_of
from cloudly_cli.output import FORMATS, record_of, show, show_notes
from cloudly_cli.resolve import every, resolve
from cloudly_cli.watching import watch

_ATTEMPTS = 3
"""How often a change of what was read is tried anew, when somebody else changed it meanwhile."""

_BY_HAND = {"audit": ("audit", ("export", "verify")), "image": ("archives", ("pull-archive", "push-archive"))}
"""Verbs that are more than one call, by noun: their module, their names."""


class Noun(click.Group):
    """One noun; its verbs are built when they are needed."""

    def __init__(self, contract: Contract, noun: str) -> None:
        about = contract.about[noun]
        super().__init__(noun, help=about, short_help=about.split(". ")[0])
        self._contract = contract
        self._noun = noun

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs."""
        del ctx
        return sorted([*self._contract.verbs[self._noun], *_BY_HAND.get(self._noun, ("", ()))[1]])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A verb's command."""
        del ctx
        module, by_hand = _BY_HAND.get(self._noun, ("", ()))
        if cmd_name in by_hand:
            made: click.Command = getattr(import_module(f"cloudly_cli.{module}"), cmd_name.replace("-", "_"))
            return made
        verb = self._contract.verbs[self._noun].get(cmd_name)
        return None if verb is None else command(verb)


def command(verb: Verb) -> click.Command:
    """The command of one verb."""
    flags = flags_of(verb)
    parameters: list[click.Parameter] = [
        click.Argument([_argument(path)], metavar=_metavar(verb, path), required=_is_needed(verb, path))
        for path in verb.arguments
    ]
    parameters += [flag.option for flag in flags]
    parameters += _common_options(verb)

    def callback(**given: Any) -> None:
        context_name: str = click.get_current_context().obj or ""
        Run(verb, flags, given, Client(context_name)).run()

    summary = verb.comment.replace("`", "")
    return click.Command(
        verb.name, callback=callback, params=parameters, help=summary, short_help=summary.split(". ")[0]
    )


class Run:
    """One command being carried out."""

    def __init__(self, verb: Verb, flags: list[Flag], given: Mapping[str, Any], client: Client) -> None:
        self._verb = verb
        self._flags = flags
        self._given = given
        self._client = client
        self._form: str = given["output"]

    def run(self) -> None:
        """Do it and show the answer."""
        verb, arguments = self._verb, self._arguments()
        if verb.streams or self._given.get("watch"):
            self._watch(arguments)
            return
        if verb.confirm and not self._given["yes"]:
            self._confirm()
        request = self._request(arguments)
        if verb.listed is not None and "page_token" in verb.request:
            call = calls.call_of(verb, request, "")
            show(verb, every(self._client, verb, call.query, limit=self._given["limit"], path=call.path), self._form)
            return
        answer = self._changed(request) if self._merges() else self._send(request, self._given.get("etag") or "")
        records = answer.get(verb.listed.json, []) if verb.listed is not None else [record_of(verb, answer)]
        show(verb, records if verb.listed is not None and self._form == "table" else answer, self._form)
        if self._form == "table":
            show_notes(verb, records)
            once.explain(verb, answer, self._client.url)
        # A verdict is about what was named; a list of everything is none.
        named = all(self._given[_argument(path)] for path in verb.arguments)
        if verb.verdict and named and not all(record.get(verb.verdict) for record in records):
            click.get_current_context().exit(1)

    def _arguments(self) -> calls.Json:
        # The request with what stands as arguments, names turned into ids.
        request: calls.Json = {}
        for dotted in self._verb.arguments:
            text = self._given[_argument(dotted)]
            if text is None:
                continue
            path, known = _field(self._verb, dotted)
            if _is_reference(dotted) and known.name.endswith("id"):
                noun = _noun_of(self._verb, dotted)
                text = resolve(self._client, self._verb.contract, noun, text, strict=known.format == "id")
            calls.put(request, path, text)
        return request

    def _request(self, arguments: calls.Json) -> calls.Json:
        given = calls.body_from(self._given.get("json_text"), self._given.get("file"))
        resource = self._verb.resource
        request: calls.Json = {resource.json: given} if resource is not None and given else given
        for flag in self._flags:
            value = self._given[flag.parameter]
            if value not in (None, ()):
                calls.put(request, flag.path, self._resolved(flag, value_of(self._verb.contract, flag, value)))
        for name in self._given.get("unset") or ():
            calls.put(request, (*((resource.json,) if resource else ()), _json_name(name)), None)
        return calls.merged(request, arguments)

    def _resolved(self, flag: Flag, value: Any) -> Any:
        if not flag.noun:
            return value
        contract, strict = self._verb.contract, flag.field.format == "id"
        if isinstance(value, list):
            return [resolve(self._client, contract, flag.noun, item, strict=strict) for item in value]
        return resolve(self._client, contract, flag.noun, value, strict=strict) if value else value

    def _merges(self) -> bool:
        # A map or a nested message is replaced whole by the server; with a flag, somebody means one entry of it.
        deep = [flag for flag in self._flags if flag.field.is_map or len(flag.path) > 2]
        return self._verb.http["method"] == "PATCH" and any(self._given[f.parameter] not in (None, ()) for f in deep)

    def _changed(self, request: calls.Json) -> Any:
        resource = self._verb.resource
        assert resource is not None
        path = calls.call_of(self._verb, request, "").path
        for attempt in range(1, _ATTEMPTS + 1):
            known = self._client.call("GET", path)
            wish = request[resource.json]
            laid = {key: calls.merged(known[key], wish[key]) if _both(known, wish, key) else wish[key] for key in wish}
            etag = self._given.get("etag") or known["etag"]
            try:
                return self._send({**request, resource.json: laid}, etag)
            except Problem as problem:
                if problem.reason != "STALE_ETAG" or self._given.get("etag") or attempt == _ATTEMPTS:
                    raise
        raise AssertionError

    def _send(self, request: calls.Json, etag: str) -> Any:
        call = calls.call_of(self._verb, request, etag)
        return self._client.call(call.verb, call.path, query=call.query, body=call.body, headers=call.headers)

    def _watch(self, arguments: calls.Json) -> None:
        verb, only = self._verb, ""
        if not verb.streams:
            sibling = verb.contract.watch_of(verb.noun)
            assert sibling is not None
            only = next(iter(arguments.values()), "") if verb.name == "get" else ""
            verb = sibling
        request = {} if only else self._request(arguments)
        call = calls.call_of(verb, request, "")
        query = {key: value for key, value in call.query.items() if key in {f.json for f in verb.request.values()}}
        try:
            watch(self._client, verb, call.path, query, self._form, only)
        except KeyboardInterrupt:
            click.echo()

    def _confirm(self) -> None:
        named = " ".join(self._given[_argument(path)] for path in self._verb.arguments)
        question = f"{self._verb.name.replace('-', ' ').capitalize()}: {self._verb.noun} {named}?"
        click.confirm(question, abort=True, err=True)


def _common_options(verb: Verb) -> list[click.Parameter]:
    options: list[click.Parameter] = [
        click.Option(
            ["-o", "--output"], type=click.Choice(FORMATS), default="table", show_default=True, help="How to print it."
        )
    ]
    if verb.http["method"] in {"POST", "PUT", "PATCH"}:
        options += [
            click.Option(["-f", "--file"], metavar="FILE", help="Read it from a YAML or JSON file; - is stdin."),
            click.Option(["json_text", "--json"], metavar="JSON", help="Give it as JSON; flags win over it."),
        ]
    if verb.http["method"] == "PATCH":
        options.append(click.Option(["--unset"], multiple=True, metavar="FIELD", help="Set a field to its default."))
    if verb.http["method"] == "PATCH" or "etag" in verb.request:
        options.append(click.Option(["--etag"], help="Only if it is still at this etag."))
    if verb.listed is not None and "page_token" in verb.request:
        options.append(click.Option(["--limit"], type=click.IntRange(0), default=0, help="At most so many; 0: all."))
    if verb.name in {"list", "get"} and verb.contract.watch_of(verb.noun) is not None:
        options.append(click.Option(["-w", "--watch"], is_flag=True, help="Go on with what changes, until Ctrl-C."))
    if verb.confirm:
        options.append(click.Option(["-y", "--yes"], is_flag=True, help="Do not ask."))
    return options


def _field(verb: Verb, dotted: str) -> tuple[tuple[str, ...], Field]:
    """The path of JSON names down to a request's field, and the field."""
    fields, path = verb.request, []
    for name in dotted.split("."):
        known = fields[name]
        path.append(known.json)
        fields = verb.contract.fields(known.type) if verb.contract.is_record(known) else {}
    return tuple(path), known


def _is_needed(verb: Verb, dotted: str) -> bool:
    return f"{{{dotted}}}" in verb.http["path"] or _field(verb, dotted)[1].required


def _argument(dotted: str) -> str:
    return "argument_" + dotted.replace(".", "_")


def _metavar(verb: Verb, dotted: str) -> str:
    if _is_reference(dotted):
        return _noun_of(verb, dotted).upper()
    return dotted.rpartition(".")[2].upper().replace("_", "-")


def _is_reference(dotted: str) -> bool:
    return dotted.endswith(("_id", ".id"))


def _noun_of(verb: Verb, dotted: str) -> str:
    named = dotted.removesuffix("_id").removesuffix(".id").replace("_", "-")
    return named if verb.contract.list_of(named) is not None and named != "node" else verb.noun


def _json_name(name: str) -> str:
    head, *rest = name.replace("-", "_").split("_")
    return head + "".join(part.capitalize() for part in rest)


def _both(known: Mapping[str, Any], wish: Mapping[str, Any], key: str) -> bool:
    return isinstance(known.get(key), dict) and isinstance(wish[key], dict)
