"""Who asks a cloud: the hub itself, or a ServiceAccount for an object; and tokens that many share."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from hub.content import digest as digests
from hub.content.shared import Shared
from hub.errors import Transient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

T = TypeVar("T")

_EARLY = 300.0
"""Seconds before its end at which a token is renewed, at most."""
_SHARE = 0.2
"""Of its life that a token has left when it is renewed: else one of ten minutes would be renewed all the time."""


class NoToken(Transient):
    """A cloud gave no token, or nobody gave us an identity there; the message never quotes an answer."""

    def __init__(self, message: str) -> None:
        super().__init__("AuthenticationFailed", message)


class Refused(ValueError):
    """Why there is no token, in words; becomes a :class:`NoToken` that says for whom."""


@dataclass(frozen=True, slots=True)
class Workload:
    """
    A ServiceAccount that stands for an object.

    Attributes:
        namespace: Where it is.
        name: What it is called.
        annotations: Say which identity of the cloud it has.
        mint: Gives a token of it for audiences.
    """

    namespace: str
    name: str
    annotations: Mapping[str, str]
    mint: Callable[[tuple[str, ...]], Awaitable[str]] = field(repr=False)

    @property
    def key(self) -> str:
        """Equal for those that get the same tokens."""
        texts = (f"{key}={value}" for key, value in sorted(self.annotations.items()))
        return digests.of_parts(self.namespace, self.name, *texts)

    def annotation(self, key: str) -> str:
        """Return an annotation. Raises :class:`Refused` when it is not there."""
        if not self.annotations.get(key):
            raise Refused(f"it has no annotation '{key}'")
        return self.annotations[key]


class Token(NamedTuple):
    """What a cloud gave, and until when it counts: seconds since the epoch."""

    value: Any
    until: float


class Held:
    """
    What was given, until shortly before its end; many who ask at once cost one exchange.

    Args:
        clock: Seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._held: dict[str, Token] = {}
        self._asking: Shared[Token] = Shared()

    async def get(self, key: str, ask: Callable[[], Awaitable[Token]]) -> Token:
        """Return what is held for a key; ask for another one when it ends soon. Raises what ``ask`` raises."""
        held = self._held.get(key)
        if held is not None and self._clock() < held.until:
            return held
        return await self._asking.run(key, lambda: self._renew(key, ask))

    async def _renew(self, key: str, ask: Callable[[], Awaitable[Token]]) -> Token:
        found = await ask()
        now = self._clock()
        early = min(_EARLY, (found.until - now) * _SHARE)
        token = found._replace(until=found.until - early)
        self._held = {name: one for name, one in self._held.items() if one.until > now} | {key: token}
        return token


def key_of(workload: Workload | None, *parts: str) -> str:
    """Return what a token is held by."""
    return digests.of_parts(workload.key if workload is not None else "", *parts)


@contextmanager
def asking(provider: str, workload: Workload | None) -> Iterator[None]:
    """Say of what goes wrong in the body for whom there is no token. Raises :class:`NoToken`."""
    try:
        yield
    except Refused as error:
        who = f" for ServiceAccount '{workload.namespace}/{workload.name}'" if workload is not None else ""
        raise NoToken(f"no token from provider '{provider}'{who}: {error}") from error
