"""Label selectors as Kubernetes writes them: ``app=web,tier!=db,env in (a,b),region notin (c),x,!y``. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEY = r"[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_SET = re.compile(rf"({_KEY})\s+(in|notin)\s*\(([^()]*)\)")
_EQUAL = re.compile(rf"({_KEY})\s*(==|=|!=)\s*({_VALUE})")
_EXISTS = re.compile(rf"(!?)\s*({_KEY})")
_COMMA = re.compile(r",(?![^()]*\))")


class Requirement(NamedTuple):
    """A label must (or must not) have one of some values; without values it must (or must not) be there."""

    key: str
    values: frozenset[str] | None
    negated: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels fulfil it. ``!=`` and ``notin`` hold for a label that is not there."""
        found = self.key in labels if self.values is None else labels.get(self.key) in self.values
        return found != self.negated


@lru_cache(maxsize=256)
def parse(text: str) -> tuple[Requirement, ...]:
    """
    Return the requirements of a selector; none for the empty text.

    Raises:
        ValueError: It is not a selector; the message names the part.
    """
    return tuple(_requirement(part.strip()) for part in _COMMA.split(text) if text.strip())


def matches(text: str, labels: Mapping[str, str]) -> bool:
    """Whether labels are selected; everything is by the empty selector. Raises ``ValueError`` as :func:`parse`."""
    return all(requirement.matches(labels) for requirement in parse(text))


def _requirement(part: str) -> Requirement:
    if found := _SET.fullmatch(part):
        values = frozenset(value.strip() for value in found[3].split(","))
        return Requirement(found[1], values, negated=found[2] == "notin")
    if found := _EQUAL.fullmatch(part):
        return Requirement(found[1], frozenset({found[3]}), negated=found[2] == "!=")
    if found := _EXISTS.fullmatch(part):
        return Requirement(found[2], None, negated=bool(found[1]))
    raise ValueError(
        f"'{part}' is not part of a label selector: write key=value, key!=value, key in (a,b), key or !key"
    )
