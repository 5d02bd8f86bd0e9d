"""Calls with secrets, and what is known of both: what was sent, what was given, what was answered."""

import re
import secrets
from typing import Any

import httpx
from cloudly_kit import contract

from tests.conftest import Suite
from tests.secrets.contract import given
from tests.secrets.places import cache_of


class Canaries:
    """The secrets that were sent or given, by what they are."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.sent: dict[str, str] = {}

    def new(self, kind: str, *, plain: bool = False) -> str:
        """A secret to send: one of letters, or one with all that is escaped somewhere."""
        text = f"Cnry{secrets.token_hex(8)}"
        made = text if plain else f'{text} "Pässw\\rt/+%&<'
        self.sent[f"{kind} #{len(self.sent)}"] = made
        return made

    def keep(self, kind: str, secret: str) -> str:
        """A secret that the server gave."""
        # Of a JWT the signature alone is secret; of a prefixed token what is behind its prefix; of a link its token.
        part = secret.rsplit("=", 1)[-1] if "://" in secret else secret
        part = part.rsplit(".", 1)[-1] if part.count(".") >= 1 else re.sub(r"^cloudly_[a-z]+_", "", part)
        if len(part) >= 8:
            self.known[f"{kind} #{len(self.known)}"] = part
        return secret

    @property
    def all(self) -> dict[str, str]:
        return self.sent | self.known


class Wire:
    """Calls over REST that keep the secrets of the answers, and the answers that must hold none."""

    def __init__(self, suite: Suite, canaries: Canaries) -> None:
        self.http = httpx.Client(base_url=suite.url, timeout=30)
        self.canaries = canaries
        self.redis = cache_of(suite)
        self.answers: list[tuple[str, bytes]] = []
        self.methods = {
            f"{method.service.rsplit('.')[-1]}.{method.name}": method for method in contract.methods().values()
        }

    def call(self, name: str, body: Any = None, token: str | None = None, **values: str) -> httpx.Response:
        """Call a method of the contract with the values of its path; as the admin where no token is given."""
        method = self.methods[name]
        verb = method.rules.http.WhichOneof("pattern") or ""
        address = getattr(method.rules.http, verb).format(**values)
        return self.send(name, address, body, token)

    def send(self, name: str, address: str, body: Any, token: str | None) -> httpx.Response:
        """Call a method of the contract at an address."""
        method = self.methods[name]
        verb = (method.rules.http.WhichOneof("pattern") or "").upper()
        headers = {"authorization": f"Bearer {token if token is not None else self.token}"}
        answer = self.http.request(verb, address, json=body, headers=headers if token != "" else {})
        told = answer.content
        for kind, secret in given(method, answer.json()) if answer.is_success and told else ():
            # It is meant for who gets this answer, and for nothing else.
            told = told.replace(secret.encode(), b"***")
            self.canaries.keep(kind, secret)
        self.answers.append((f"the answer of {name}", told + repr(answer.headers).encode()))
        return answer

    def change(self, address: str, field: str, value: str) -> None:
        """Change one field of a resource."""
        headers = {"authorization": f"Bearer {self.token}"}
        answer = self.http.patch(address, json={field: value}, params={"updateMask": field}, headers=headers)
        assert answer.is_success, answer.text
        self.note(f"the answer to a change of {address}", answer)

    def done(self, name: str, body: Any = None, token: str | None = None, **values: str) -> Any:
        """A call that has to succeed; its JSON."""
        answer = self.call(name, body, token, **values)
        assert answer.is_success, f"{name}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else {}

    def note(self, place: str, answer: httpx.Response) -> None:
        self.answers.append((place, answer.content + repr(answer.headers).encode()))

    def login(self, username: str, password: str) -> Any:
        return self.done("AuthService.Login", {"username": username, "password": password}, "")

    def as_admin(self, suite: Suite) -> None:
        self.token = self.login(suite.admin_username, suite.admin_password)["accessToken"]
