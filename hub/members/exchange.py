"""One request of a tool, and one answer, read whole. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from hub.members.paths import ResourcePath, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_KEPT_OF_ANSWER = ("Content-Type", "Content-Encoding", "ETag", "Warning", "Retry-After", "Audit-Id")
_NO_STORE = {"Cache-Control": "no-store"}  # what is worth keeping, the gateway keeps


@dataclass(frozen=True, slots=True)
class Asked:
    """
    A request.

    Attributes:
        target: Path and query, as they came.
        path: What the path names; None for what is not a resource.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    path: ResourcePath | None = None

    @classmethod
    def of(cls, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Asked:
        """Read a request."""
        return cls(method, target, headers, body, parse(target.partition("?")[0]))

    @property
    def query(self) -> str:
        """The raw query; empty without one."""
        return self.target.partition("?")[2]

    @property
    def writes(self) -> bool:
        """Whether it is meant to change an object."""
        return self.method in _WRITES and self.path is not None

    @property
    def streams(self) -> bool:
        """Whether the answer goes on and on: a watch, or a log that is followed."""
        if self.method != "GET" or "=" not in self.target:
            return False
        query = parse_qs(self.query)
        return any(query.get(name, [""])[0] in ("1", "true") for name in ("watch", "follow"))

    def with_headers(self, more: Mapping[str, str]) -> Asked:
        """Return the same request with headers added."""
        return replace(self, headers={**self.headers, **more})


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; of its headers those that matter to a client."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether the server did it."""
        return self.status < 300

    def json(self) -> dict[str, Any]:
        """The object in the body; empty when it is not a JSON object."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of an answer that are passed on."""
    return _NO_STORE | {name: headers[name] for name in _KEPT_OF_ANSWER if name in headers}


def refusal(code: int, reason: str, message: str) -> Answer:
    """Make an answer of our own, in the shape in which Kubernetes clients expect errors."""
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    body = json.dumps({**status, "message": message, "reason": reason, "code": code}).encode()
    return Answer(code, {"Content-Type": "application/json"}, body)
