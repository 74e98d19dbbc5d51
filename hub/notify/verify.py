"""
How calls are checked, for each type of Receiver: one table. Pure. Follows Flux notification fact 23.

Secrets are compared in constant time, and no message has any. Types whose calls carry a token of an identity provider
(``gcr``, ``generic-oidc``) have that checked by :mod:`hub.notify.identity` first.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_DIGESTS = frozenset({"sha1", "sha256", "sha512"})


class Refused(Exception):
    """The call is not what a Receiver takes; the message can be shown to whoever called."""


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request. ``headers`` has to find names in upper and lower case; ``repr`` shows neither of the two."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False, default=b"")

    def json(self) -> Any:
        """Return the body as data. Raises ``Refused`` when it is no JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Refused("the body is not JSON") from error

    def header(self, name: str) -> str:
        """Return a header. Raises ``Refused`` without one."""
        if not (value := self.headers.get(name, "")):
            raise Refused(f"there is no header {name}")
        return value


def check(kind: str, call: Call, token: bytes, events: Sequence[str] = ()) -> None:
    """
    Return when a Receiver of a type takes a call.

    Args:
        kind: The type.
        call: What came.
        token: The secret that it shares with the caller.
        events: Those that count; all when there are none.

    Raises:
        Refused: It does not.
    """
    if (known := CHECKS.get(kind)) is None:
        raise Refused(f"type '{kind}' is not known")
    known(call, token, events)


def _taken(call: Call, token: bytes, events: Sequence[str]) -> None:
    """Nothing is checked: the path is the secret, or somebody checked before."""


def _signed(header: str) -> Callable[[Call, bytes, Sequence[str]], None]:
    """Make a check of ``<digest>=<hex HMAC of the body>`` in a header."""

    def signed(call: Call, token: bytes, _events: Sequence[str] = ()) -> None:
        _check_signature(call, token, header)

    return signed


def _check_signature(call: Call, token: bytes, header: str) -> None:
    algorithm, equals, given = call.header(header).strip().partition("=")
    if not equals or algorithm not in _DIGESTS:
        raise Refused(f"the header {header} is not <sha1|sha256|sha512>=<signature>")
    _same(given.lower(), hmac.new(token, call.body, algorithm).hexdigest(), header)


def _same(given: str, wanted: str, header: str) -> None:
    if not hmac.compare_digest(given.encode(errors="surrogateescape"), wanted.encode()):
        raise Refused(f"the header {header} is not what the token of this Receiver gives")


def _check_event(call: Call, header: str, events: Sequence[str]) -> None:
    if not events:
        return
    name = call.headers.get(header, "")
    if name.lower() not in {one.lower() for one in events}:
        raise Refused(f"the event '{name}' of header {header} is not one of this Receiver")


def _github(call: Call, token: bytes, events: Sequence[str]) -> None:
    strong = "X-Hub-Signature-256"
    _check_signature(call, token, strong if strong in call.headers else "X-Hub-Signature")
    _check_event(call, "X-GitHub-Event", events)


def _bitbucket(call: Call, token: bytes, events: Sequence[str]) -> None:
    _check_signature(call, token, "X-Hub-Signature")
    _check_event(call, "X-Event-Key", events)


def _gitlab(call: Call, token: bytes, events: Sequence[str]) -> None:
    _same(call.header("X-Gitlab-Token"), token.decode("utf-8", "replace"), "X-Gitlab-Token")
    _check_event(call, "X-Gitlab-Event", events)


def _harbor(call: Call, token: bytes, _events: Sequence[str]) -> None:
    _same(call.header("Authorization"), token.decode("utf-8", "replace"), "Authorization")


def _nexus(call: Call, token: bytes, _events: Sequence[str]) -> None:
    header = "X-Nexus-Webhook-Signature"
    _same(call.header(header).lower(), hmac.new(token, call.body, "sha1").hexdigest(), header)
    call.json()


def _has(*paths: str) -> Callable[[Call, bytes, Sequence[str]], None]:
    """Make a check that the JSON of a call has texts, or lists, at some paths."""

    def has(call: Call, _token: bytes, _events: Sequence[str]) -> None:
        document = call.json()
        for path in paths:
            if not isinstance(_at(document, path), str | list):
                raise Refused(f"the body has no {path}")

    return has


def _at(document: Any, path: str) -> Any:
    for step in path.split("."):
        document = document.get(step) if isinstance(document, dict) else None
    return document


def _pubsub(call: Call, _token: bytes, _events: Sequence[str]) -> None:
    """Google Pub/Sub wraps what the registry says; who sent it was checked before."""
    data = _at(call.json(), "message.data")
    try:
        inner = json.loads(base64.b64decode(data, validate=True)) if isinstance(data, str) else None
    except (binascii.Error, ValueError) as error:
        raise Refused("message.data of the body is not JSON in base64") from error
    if not isinstance(inner, dict) or not isinstance(inner.get("action"), str):
        raise Refused("message.data of the body has no action")


_EVENT_CONTEXT = tuple(f"context.{name}" for name in ("version", "id", "source", "type", "timestamp"))


def _cdevents(call: Call, token: bytes, events: Sequence[str]) -> None:
    _check_event(call, "Ce-Type", events)
    kind = call.header("Ce-Type")
    _has(*_EVENT_CONTEXT, "subject.id")(call, token, events)
    if _at(call.json(), "context.type") != kind:
        raise Refused("context.type of the body is not that of header Ce-Type")


CHECKS: Mapping[str, Callable[[Call, bytes, Sequence[str]], None]] = {
    "generic": _taken,
    "generic-hmac": _signed("X-Signature"),
    "generic-oidc": _taken,
    "github": _github,
    "gitlab": _gitlab,
    "bitbucket": _bitbucket,
    "harbor": _harbor,
    "nexus": _nexus,
    "dockerhub": _has("push_data.tag", "repository.repo_url"),
    "quay": _has("docker_url", "updated_tags"),
    "acr": _has("action", "target.repository", "target.tag"),
    "gcr": _pubsub,
    "cdevents": _cdevents,
}
