"""One run of a tool against one member: what it may do, and what it did."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from hub.errors import MemberUnreachable
    from hub.members.exchange import Answer
    from hub.members.member import Member
    from hub.members.slots import Turn

_SECRET_LOOKS = re.compile(
    r"(?P<jwt>eyJ[\w-]{8,}\.[\w-]+\.[\w-]*)"
    r"|(?P<pem>-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$))"
    r"|(?P<before>\bBearer )[^\s\"',]+"
    r"|(?P<user>://[^\s/:@]*:)[^\s/@\"']+(?=@)",
    re.DOTALL,
)
_MASK = "***"
_UNSEEN = 5  # times as long nothing has to be written by a run that has no watch open


@dataclass(frozen=True, slots=True)
class RunPolicy:
    """
    What the gateway does with the requests of a run.

    Attributes:
        release_namespace: Where the objects go.
        storage_namespace: Where Helm's records go.
        labels: Put on every object that is written, except Helm's records.
        annotations: Likewise.
        force: Delete an object, and create it anew, when a field of it cannot be changed.
        replace_timeout: Seconds that a deleted object may take to go.
    """

    release_namespace: str
    storage_namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    force: bool = False
    replace_timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class Write:
    """A request that was meant to change something, and the status of its answer (0: there was none)."""

    method: str
    object: str  # Kind/namespace/name where the body told the kind, else resource/namespace/name
    status: int
    storage: bool = False


@dataclass(slots=True)
class _Listed:
    answer: Answer
    at: float


class Session:
    """
    A run's way through the gateway; made by :meth:`hub.members.gateway.Gateway.session`.

    Attributes:
        kubeconfig: File for the tool; it names the gateway and holds a secret of this session alone.
        writes: What the run asked to change, in order.
        replaced: Objects that were deleted and created anew, as ``Kind/namespace/name``.
        unreachable: The member did not answer a request of this run; the last time.
        unauthorized: The member refused our credentials, and there are no newer ones.
    """

    def __init__(
        self, member: Member, policy: RunPolicy, kubeconfig: Path, address: str, turn: Turn | None = None
    ) -> None:
        self.member = member
        self.policy = policy
        self.kubeconfig = kubeconfig
        self.turn = turn
        self.secret = secrets.token_urlsafe(32)
        self.writes: list[Write] = []
        self.replaced: list[str] = []
        self.unreachable: MemberUnreachable | None = None
        self.unauthorized = False
        self.server = f"http://{address}/{self.secret}"
        self._discovered: set[str] = set()
        self._listed: dict[str, _Listed] = {}
        self._writing = 0
        self._watching = 0
        self._last_write: float | None = None
        self._changed = asyncio.Event()

    def redact(self, text: str) -> str:
        """Return what a tool said, with the member's real address and without anything that looks like a secret."""
        text = text.replace(self.server, self.member.client.config.server).replace(self.secret, _MASK)
        for secret in (self.member.client.config.token, self.member.client.config.password):
            if secret:
                text = text.replace(secret, _MASK)
        return _SECRET_LOOKS.sub(lambda match: (match["before"] or match["user"] or "") + _MASK, text)

    async def idle(self, seconds: float) -> None:
        """
        Return once the run has written something and then nothing for ``seconds``: from here on it only waits.

        One that watches nothing may wait by asking again and again, or get no CPU on a busy machine: that takes longer.
        """
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            if self._last_write is None or self._writing:
                await self._changed.wait()
                continue
            patience = seconds if self._watching else _UNSEEN * seconds
            rest = self._last_write + patience - loop.time()
            if rest <= 0:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(rest):
                    await self._changed.wait()

    async def busy(self) -> None:
        """Return when a write is under way."""
        while not self._writing:
            self._changed.clear()
            await self._changed.wait()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count a watch while it is open."""
        self._watching += 1
        self._changed.set()
        try:
            yield
        finally:
            self._watching -= 1

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Count a write while it is under way."""
        self._writing += 1
        self._changed.set()
        try:
            yield
        finally:
            self._writing -= 1
            self._last_write = asyncio.get_running_loop().time()
            self._changed.set()

    def asks_again(self, target: str) -> bool:
        """Whether the run asked for this discovery document before; remembered from now on."""
        known = target in self._discovered
        self._discovered.add(target)
        return known

    def listed(self, target: str, within: float) -> Answer | None:
        """Return what the run itself read from its records a moment ago, if it has written none since."""
        found = self._listed.get(target)
        return found.answer if found and asyncio.get_running_loop().time() - found.at <= within else None

    def keep_listed(self, target: str, answer: Answer) -> None:
        """Remember what was read."""
        self._listed[target] = _Listed(answer, asyncio.get_running_loop().time())

    def forget_listed(self) -> None:
        """Forget what was read: the records have changed."""
        self._listed.clear()

    def write_kubeconfig(self) -> None:
        """
        Write the file, readable by us alone.

        The secret is part of the server's URL: over plain http client-go sends no token, and a ``proxy-url`` with a
        password keeps it from sharing connections (measured: 15 connections for one upgrade instead of one).
        """
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "member",
            "clusters": [{"name": "member", "cluster": {"server": self.server}}],
            "contexts": [{"name": "member", "context": {"cluster": "member", "user": ""}}],
        }
        handle = os.open(self.kubeconfig, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file)
