"""
Which layer set a value, and what it overrode. Pure.

Every layer is put on those below it, in the order in which the engine does; what a layer says of a value is compared
with what was there before. A list is one value: layers replace it as a whole.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hub.content.values import merge
from hub.release.layers import Layer, copied, steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Path = tuple[str, ...]
_NOTHING: Final = object()


@dataclass(frozen=True, slots=True)
class Contribution:
    """
    What one layer says of a value.

    Attributes:
        hidden: The value is, or may be in part, that of a Secret.
    """

    layer: str
    value: Any = field(repr=False)
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Explained:
    """
    A value and where it comes from.

    Attributes:
        path: Its keys.
        by: The layer that set it.
        overrides: What it covers, from the top down.
    """

    path: Path
    by: Contribution
    overrides: tuple[Contribution, ...]


@dataclass(frozen=True, slots=True)
class _Turn:
    """One layer taking effect: what it says by itself, and all values from then on."""

    layer: Layer
    own: Any
    after: dict[str, Any]


def explain(chart: Sequence[Layer], layers: Sequence[Layer], inline: Layer, at: Path = ()) -> list[Explained]:
    """
    Return every value at or below a path, sorted by key.

    Args:
        chart: What the chart's ``values.yaml`` is made of.
        layers: What the release adds, the inline values aside.
        inline: The inline values.
        at: Keys; none for everything.

    Raises:
        AssignmentError: A path of a layer does not lead anywhere.
    """
    turns = list(_turns(chart, layers, inline))
    found = [_explained(path, turns) for path in leaves(turns[-1].after) if path[: len(at)] == at]
    return sorted(found, key=lambda one: one.path)


def leaves(values: dict[str, Any], above: Path = ()) -> Iterator[Path]:
    """Yield the keys of every value that is no mapping, or an empty one."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*above, key))
        else:
            yield (*above, key)


def _turns(chart: Sequence[Layer], layers: Sequence[Layer], inline: Layer) -> Iterator[_Turn]:
    below: dict[str, Any] = {}
    for layer in chart:
        below = merge(below, layer.values)
        yield _Turn(layer, layer.values, below)
    for layer, values in steps(layers, inline):
        after = copied(merge(below, values))
        # Inline values count where they are what came out: a path that was assigned below one of them is not theirs.
        own = _agreeing(layer.values, after) if layer is inline else layer.values
        yield _Turn(layer, own, after)


def _explained(path: Path, turns: Sequence[_Turn]) -> Explained:
    chain: list[Contribution] = []
    before: Any = _NOTHING
    is_secret = False
    for turn in turns:
        after = _look(turn.after, path)
        if _look(turn.own, path) is not _NOTHING or not _same(before, after):
            # What is put together of several layers may hold what a Secret said.
            is_mixed = isinstance(after, dict) or (isinstance(after, list) and bool(turn.layer.path))
            hidden = turn.layer.secret or (is_secret and is_mixed)
            is_secret = is_secret or turn.layer.secret
            chain = [one for one in chain if one.layer != turn.layer.name]
            chain.append(Contribution(turn.layer.name, after, hidden))
        before = after
    *overridden, by = chain
    return Explained(path, by, tuple(reversed(overridden)))


def _look(values: Any, path: Path) -> Any:
    """Return what is at a path, or the value above that ends it."""
    for key in path:
        if not isinstance(values, dict):
            return values
        if key not in values:
            return _NOTHING
        values = values[key]
    return values


def _agreeing(own: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return the part of some values that is as it is in others."""
    kept: dict[str, Any] = {}
    for key, value in own.items():
        there = after.get(key, _NOTHING)
        if isinstance(value, dict) and value and isinstance(there, dict):
            if below := _agreeing(value, there):
                kept[key] = below
        elif _same(value, there):
            kept[key] = value
    return kept


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same in JSON, where 1 is not true."""
    if one is _NOTHING or other is _NOTHING:
        return one is other
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
