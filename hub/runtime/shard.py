"""
Which part of the work belongs to which replica. Pure: no I/O, no clock.

The work is cut into shards. A word, most often the name of a member, belongs to the shard that wins the rendezvous
(highest digest of shard and word): with one shard more, only the words move that the new one wins, about ``1/N``. Each
shard has a Lease; who holds it does the work. One shard is plain leader election.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from hub.api.kinds import IMAGE as IMAGES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hub.api.meta import Resource

HUB = "hub"


@dataclass(frozen=True, slots=True)
class Record:
    """
    What a Lease says, and since when it says so.

    Attributes:
        name: Of the Lease.
        holder: Who holds it; empty when it was given back.
        duration: Seconds for which it is held without being renewed.
        seen: When this content was first seen, on our own clock: those of others are not to be trusted.
        address: ``host:port`` where the holder serves artifacts.
        wanted: Who asked for it; only that one may take it as long as the record is fresh.
    """

    name: str
    holder: str
    duration: float
    seen: float
    address: str = ""
    wanted: str = ""

    def held(self, now: float) -> bool:
        """Whether somebody holds it."""
        return bool(self.holder) and now < self.seen + self.duration

    def reserved_for_other(self, me: str, now: float) -> bool:
        """Whether it was given back to somebody else, who is still expected to take it."""
        return self.wanted not in ("", me) and now < self.seen + self.duration


@dataclass(frozen=True, slots=True)
class Move:
    """
    What a replica should do next.

    Attributes:
        take: Leases to take now.
        ask_for: A Lease to ask its holder for: that one has many, we have few.
        give_back: Leases of ours that somebody with fewer asked for.
    """

    take: tuple[str, ...] = ()
    ask_for: str = ""
    give_back: tuple[str, ...] = ()


def next_move(names: Sequence[str], records: Mapping[str, Record], me: str, mine: frozenset[str], now: float) -> Move:
    """
    Return how a replica comes to its share: free Leases are taken, and one with fewer asks one with more.

    Who has nothing takes at once; who has much lets others go first, for half a lease's time for each one held.
    """
    if _others_disagree(names, records, me, now):
        return Move()
    holders = {name: _holder(records.get(name), now) for name in names}
    give_back = tuple(name for name in sorted(mine) if _wanted_by_other(records.get(name), me))[: max(0, len(mine) - 1)]
    free = [name for name in names if not holders[name] and name not in mine]
    take = tuple(name for name in free if _may_take(records.get(name), me, len(mine), now))
    if take:
        return Move(take=take[:1], give_back=give_back)
    counts: dict[str, int] = {}
    for holder in holders.values():
        if holder and holder != me:
            counts[holder] = counts.get(holder, 0) + 1
    richest = max(counts, key=lambda one: (counts[one], one), default="")
    if free or not richest or counts[richest] < len(mine) + 2 or any(_asked(records.get(n), me, now) for n in names):
        return Move(give_back=give_back)
    return Move(ask_for=max(name for name in names if holders[name] == richest), give_back=give_back)


def word_of(resource: Resource) -> str:
    """
    Return the word that decides where an object is worked on.

    It is the member that the object is for, so that one replica has all of a member; else the object itself. The image
    kinds are together: the tags that scans find are on the disk of one replica.
    """
    if resource.KIND.api.group == IMAGES:
        return IMAGES
    spec: Any = resource.spec
    if not hasattr(spec, "kube_config"):
        return str(resource.key)
    kube: Any = spec.kube_config  # of a release, or of a Member, which has no ConfigMap
    ref = getattr(kube, "secret_ref", None) or getattr(kube, "config_map_ref", None)
    return f"{resource.metadata.namespace}/{ref.name}" if ref is not None else HUB


def word_of_member(name: str) -> str:
    """Return the same word from the name of a member, which may say which key of a Secret, or which kind, is meant."""
    return name.partition(":")[0].partition(" ")[0]


def shard_of(word: str, count: int) -> int:
    """Return the shard, in ``range(count)``, that a word belongs to."""
    return _shard_of(word, count) if count > 1 else 0


def lease_names(base: str, count: int) -> tuple[str, ...]:
    """Return the names of the Leases of all shards; a single one has the plain name."""
    return (base,) if count == 1 else tuple(f"{base}-{number}-of-{count}" for number in range(count))


def _others_disagree(names: Sequence[str], records: Mapping[str, Record], me: str, now: float) -> bool:
    """Whether somebody still works with another number of shards: until then both would own the same members."""
    return any(record.held(now) and record.holder != me for name, record in records.items() if name not in names)


def _holder(record: Record | None, now: float) -> str:
    return record.holder if record is not None and record.held(now) else ""


def _wanted_by_other(record: Record | None, me: str) -> bool:
    return record is not None and record.wanted not in ("", me)


def _asked(record: Record | None, me: str, now: float) -> bool:
    return record is not None and record.wanted == me and record.held(now)


def _may_take(record: Record | None, me: str, held: int, now: float) -> bool:
    if record is None:
        return True
    if record.reserved_for_other(me, now) and not record.holder:
        return False
    if held == 0 or record.wanted == me:
        return True
    free_since = record.seen + (record.duration if record.holder else 0.0)
    return now >= free_since + held * record.duration / 2


@lru_cache(maxsize=65536)
def _shard_of(word: str, count: int) -> int:
    return max(range(count), key=lambda number: hashlib.blake2b(f"{number}\n{word}".encode(), digest_size=8).digest())
