"""
What a member's API server offers, remembered: every run of helm asks for it three to five times, and it seldom changes.

A run that asks for the same thing twice missed something the first time; then, after a while, and for some seconds
after definitions were written (the server takes a moment to offer them), the server is asked whether its answer is
still the same, by entity tag where it gave one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hub.members.exchange import Answer, Asked
    from hub.members.paths import ResourcePath

    Fetch = Callable[[Asked], Awaitable[Answer]]

TTL: Final = 30.0
SETTLING: Final = 10.0
_LARGEST = 4 << 20  # bytes of one answer
_LIMIT = 16 << 20  # bytes of all answers

_DEFINING = frozenset({
    ("apiextensions.k8s.io", "customresourcedefinitions"), ("apiregistration.k8s.io", "apiservices"),
})  # fmt: skip


@dataclass(slots=True)
class _Entry:
    answer: Answer
    checked: float


class DiscoveryCache:
    """Answers of one member; safe to share between its runs."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._asking: dict[tuple[str, str], asyncio.Lock] = {}
        self._unsettled_until = 0.0

    async def get(self, asked: Asked, fetch: Fetch, *, again: bool = False) -> Answer:
        """Return the answer to a discovery request; ``again`` when this run has had it before and is not content."""
        key = (asked.target, asked.headers.get("Accept", ""))
        entry = self._entries.get(key)
        if entry and not again and self._is_fresh(entry):
            return entry.answer
        began = _now()
        async with self._asking.setdefault(key, asyncio.Lock()):
            entry = self._entries.get(key)
            if entry and entry.checked >= began:
                return entry.answer  # somebody else asked while we waited
            return await self._ask(key, entry, asked, fetch)

    def note_write(self, path: ResourcePath) -> None:
        """Forget everything when a write changes what the server offers."""
        if (path.group, path.resource) in _DEFINING:
            self._entries.clear()
            self._unsettled_until = _now() + SETTLING

    async def _ask(self, key: tuple[str, str], entry: _Entry | None, asked: Asked, fetch: Fetch) -> Answer:
        tag = entry.answer.headers.get("ETag") if entry else None
        began = _now()
        answer = await fetch(asked.with_headers({"If-None-Match": tag}) if tag else asked)
        if entry and answer.status == 304:
            entry.checked = began
            return entry.answer
        if answer.status == 200 and len(answer.body) <= _LARGEST:
            if sum(len(one.answer.body) for one in self._entries.values()) + len(answer.body) > _LIMIT:
                self._entries.clear()
            self._entries[key] = _Entry(answer, began)
        return answer

    def _is_fresh(self, entry: _Entry) -> bool:
        return entry.checked >= self._unsettled_until and _now() - entry.checked < TTL


def _now() -> float:
    return asyncio.get_running_loop().time()
