"""
Version constraints as Go's Masterminds/semver reads them, which is what Flux and Helm use. Pure.

A constraint is groups joined by ``||``; a group is terms joined by a comma or a space, all of which must hold. A term
is an operator and a version whose missing or ``x`` parts stand for any: ``1.2`` is ``~1.2``. A pre-release is only
considered by a group in which some term names a pre-release.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from semver import Version

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_LENGTH = 512
_MAX_GROUPS = 32

_PART = r"[0-9xX*]+"
_TAIL = r"(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
_VERSION = rf"v?{_PART}(?:\.{_PART})?(?:\.{_PART})?{_TAIL}"
_OPERATOR = r"(?:!=|=>|=<|>=|<=|~>|=|>|<|~|\^)?"
_TERM = re.compile(rf"({_OPERATOR})\s*({_VERSION})")
_GROUP = re.compile(rf"\s*{_OPERATOR}\s*{_VERSION}\s*(?:(?:\s+|,\s*){_OPERATOR}\s*{_VERSION}\s*)*\Z")
_HYPHEN = re.compile(rf"\s*({_VERSION})\s+-\s+({_VERSION})\s*")
_LOOSE = re.compile(
    rf"v?(?P<major>[0-9]+)(?:\.(?P<minor>[0-9]+))?(?:\.(?P<patch>[0-9]+))?(?P<tail>{_TAIL})\Z", re.ASCII
)
_SYNONYMS = {"": "=", "=>": ">=", "=<": "<=", "~>": "~"}


class BadConstraint(ValueError):
    """A text that is not a version constraint."""


def parse_version(text: str, *, strict: bool = False) -> Version | None:
    """
    Return a version, or None when the text is not one.

    A leading ``v`` is allowed. Unless ``strict``, missing parts are zero and leading zeros are dropped.
    """
    try:
        if strict:
            return Version.parse(text.removeprefix("v"))
        if not (match := _LOOSE.match(text)):
            return None
        numbers = ".".join(str(int(match[part] or 0)) for part in ("major", "minor", "patch"))
        return Version.parse(numbers + match["tail"])
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class _Term:
    """One comparison.

    Attributes:
        precision: How many of major, minor and patch were given; none of them is ``*``.
    """

    operator: str
    version: Version
    precision: int

    def matches(self, version: Version) -> bool:
        below, same = self.version, version.compare(self.version) == 0
        match self.operator:
            case "=":
                return self._matches_tilde(version) if self.precision < 3 else same
            case "!=":
                return not self._shares(version, self.precision) if self.precision in {1, 2} else not same
            case ">":
                if self.precision in {1, 2}:
                    return self._parts(version) > self._parts(below)
                return version > below
            case ">=":
                return version >= below
            case "<":
                return version < below
            case "<=":
                if self.precision == 3:
                    return version <= below
                given = self.precision or 2  # "<=*" is "<=0.0" in the library that we follow
                return version.to_tuple()[:given] <= below.to_tuple()[:given]
            case "~":
                return self._matches_tilde(version)
            case _:
                return version >= below and self._shares(version, self._caret_precision())

    def _matches_tilde(self, version: Version) -> bool:
        if version < self.version:
            return False
        # "~0.0.0" accepts everything, as "*" does, in the library that we follow.
        anything = self.precision == 0 or (self.precision == 3 and self.version.to_tuple()[:3] == (0, 0, 0))
        return anything or self._shares(version, min(self.precision, 2))

    def _caret_precision(self) -> int:
        """The leftmost part that is not zero may not change; nor may the last one that was given."""
        if self.version.major > 0 or self.precision == 1:
            return 1
        return 2 if self.version.minor > 0 or self.precision == 2 else 3

    def _parts(self, version: Version) -> tuple[object, ...]:
        return tuple(version.to_tuple()[: self.precision])

    def _shares(self, version: Version, count: int) -> bool:
        return version.to_tuple()[:count] == self.version.to_tuple()[:count]


class Constraint:
    """A parsed constraint.

    Raises:
        BadConstraint: The text is not one.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > _MAX_LENGTH:
            raise BadConstraint(f"constraint string is too long (max {_MAX_LENGTH} bytes)")
        groups = _HYPHEN.sub(r">= \1, <= \2 ", text).split("||")
        if len(groups) > _MAX_GROUPS:
            raise BadConstraint(f"too many constraint groups (max {_MAX_GROUPS})")
        self._groups = [_parse_group(group) for group in groups]

    def matches(self, version: Version) -> bool:
        """Say whether a version lies within."""
        return any(
            (not version.prerelease or any(term.version.prerelease for term in group))
            and all(term.matches(version) for term in group)
            for group in self._groups
        )

    def highest(self, names: Iterable[str], *, strict: bool = True) -> list[str]:
        """
        Return the names of the highest version within, or nothing.

        There are several when only build metadata or spelling differ; names that are no versions are passed over.
        """
        versions = ((name, parse_version(name, strict=strict)) for name in names)
        within = [(name, version) for name, version in versions if version is not None and self.matches(version)]
        if not within:
            return []
        top = max(version for _, version in within)
        return [name for name, version in within if version.compare(top) == 0]


def _parse_group(text: str) -> list[_Term]:
    if not _GROUP.match(text):
        raise BadConstraint(f'improper constraint: "{text}"')
    return [_parse_term(_SYNONYMS.get(operator, operator), version) for operator, version in _TERM.findall(text)]


def _parse_term(operator: str, text: str) -> _Term:
    core, tail = re.fullmatch(r"v?([^-+]+)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    given: list[str] = []
    for part in core.split("."):
        if part in {"x", "X", "*"}:
            break
        given.append(part)
    # A pre-release of a version that was not given in full belongs to its first patch.
    version = parse_version(".".join([*given, "0", "0", "0"][:3]) + tail)
    if version is None:
        raise BadConstraint(f'improper constraint: "{text}"')
    return _Term(operator, version, min(len(given), 3))
