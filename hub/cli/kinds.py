"""Which objects the words after a verb mean: ``hr member1-app``, ``sources git``, ``hr/member1-app``, ``all``. Pure."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from hub.api.kinds import KINDS, kind_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.api.kind import Kind


@dataclass(frozen=True, slots=True)
class Selection:
    """Kinds, and the names asked for; no names stand for all objects. Several kinds have no names."""

    kinds: tuple[Kind, ...]
    names: tuple[str, ...] = ()


def select(words: Sequence[str], *, several: bool = False) -> Selection:
    """
    Read kind and names.

    Args:
        words: What stands after the verb.
        several: ``all`` and ``sources all`` are possible.

    Raises:
        click.UsageError: No kind.
        BadInput: None that exists; the message suggests one.
    """
    if not words:
        raise click.UsageError(f"which kind? One of: {_offer(several=several)}")
    if several and (kinds := _several(words)):
        return kinds
    return _one(words)


def one_kind(words: Sequence[str], *, every: bool = False) -> tuple[Kind, tuple[str, ...]]:
    """
    Read a kind and the names that a verb acts on.

    Args:
        words: What stands after the verb.
        every: ``--all`` was given, which takes the place of names.

    Raises:
        click.UsageError: No kind, no names, or both names and ``--all``.
    """
    selection = select(words)
    kind = selection.kinds[0]
    if every and selection.names:
        raise click.UsageError("either names or --all, not both")
    if not every and not selection.names:
        raise click.UsageError(f"which {kind.name}? Give its name; 'hubctl get {kind.names[0]}' lists them")
    return kind, selection.names


def _several(words: Sequence[str]) -> Selection | None:
    lowered = [word.lower() for word in words]
    if lowered[0] == "all":
        kinds, rest = KINDS, words[1:]
    elif (group := _group(lowered[0])) and lowered[1:2] == ["all"]:
        kinds, rest = tuple(kind for kind in KINDS if kind.names[0].startswith(f"{group} ")), words[2:]
    else:
        return None
    if rest:
        raise click.UsageError(f"'{rest[0]}' is a name, and a name needs one kind instead of 'all'")
    return Selection(kinds)


def _one(words: Sequence[str]) -> Selection:
    for count in (2, 1):
        try:
            return Selection((kind_named(" ".join(words[:count])),), _names(words[count:]))
        except LookupError:
            continue
    kind, slash, name = words[0].partition("/")
    if slash:
        return _one([kind, name, *words[1:]])
    from hub.cli.failures import BadInput

    raise BadInput(_unknown(words))


def _group(word: str) -> str:
    """Return the first word of kinds that have two, from its singular or plural; empty when there is none such."""
    groups = {kind.names[0].partition(" ")[0] for kind in KINDS if " " in kind.names[0]}
    return next((group for group in groups if word in (group, f"{group}s")), "")


def _names(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def _unknown(words: Sequence[str]) -> str:
    first = words[0].lower()
    if group := _group(first):
        which = f"there is no {group} '{words[1]}'" if len(words) > 1 else f"which {group}?"
        return f"{which} One of: {', '.join(k.names[0] for k in KINDS if k.names[0].startswith(f'{group} '))}"
    known = {word: kind for kind in KINDS for word in _words(kind)}
    guess = difflib.get_close_matches(" ".join(words[:2]).lower(), known, 1) or difflib.get_close_matches(
        first, known, 1
    )
    hint = f"did you mean '{guess[0]}'?" if guess else f"known are: {_offer()}"
    return f"unknown kind '{words[0]}'; {hint}"


def _words(kind: Kind) -> set[str]:
    return {*kind.names, *kind.short_names, kind.api.plural, kind.name.lower()}


def _offer(*, several: bool = False) -> str:
    names = [kind.names[0] if " " in kind.names[0] else (kind.short_names or kind.names)[0] for kind in KINDS]
    return ", ".join([*names, "sources all", "all"] if several else names)
