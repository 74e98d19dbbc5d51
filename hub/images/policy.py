"""
Which tag is the latest: filter, order, pick. Pure.

Follows Flux image facts 10 and 11. Where Flux leaves the winner open (two tags that count as equal), the one that is
last in the alphabet wins, so that the answer does not depend on the order in which a registry lists.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hub.content.regex import BadPattern, Pattern, expand
from hub.content.semver import BadConstraint, Constraint

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from hub.api.image import ImagePolicyChoice, TagFilter

_NUMBER = re.compile(
    r"[+-]?(?:inf(?:inity)?|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\Z", re.ASCII | re.IGNORECASE
)  # nan has no place in an order


class InvalidPolicyError(ValueError):
    """The policy itself is wrong: only a new spec helps."""


class NoLatestError(ValueError):
    """None of the tags can be the latest; another scan may bring one."""


def latest(tags: Iterable[str], choice: ImagePolicyChoice, filter_: TagFilter | None) -> str:
    """
    Return the latest tag.

    Raises:
        InvalidPolicyError: The expression or the range cannot be read, or no order is asked for.
        NoLatestError: No tag qualifies, or one is not a number.
    """
    everything = list(tags)
    by_value = _filtered(everything, filter_)
    pick = _picker(choice)
    if not by_value:
        why = f": filterTags.pattern '{filter_.pattern}' matches none of {_count(everything)}" if filter_ else ""
        raise NoLatestError(f"version list argument cannot be empty{why}")
    return by_value[pick(by_value)]


def excluded(tags: Iterable[str], patterns: Iterable[str]) -> list[str]:
    """
    Return the tags that no pattern matches, anywhere in them; in alphabetical order.

    Raises:
        InvalidPolicyError: A pattern cannot be read.
    """
    try:
        compiled = [Pattern(pattern) for pattern in patterns]
    except BadPattern as error:
        raise InvalidPolicyError(f"failed to compile exclusion list: {error}") from error
    return sorted(tag for tag in tags if not any(pattern.matches(tag) for pattern in compiled))


def _filtered(tags: Iterable[str], filter_: TagFilter | None) -> dict[str, str]:
    """Return the tags that count, by what they are ordered by."""
    if filter_ is None:
        return {tag: tag for tag in tags}
    try:
        pattern = Pattern(filter_.pattern)
    except BadPattern as error:
        raise InvalidPolicyError(f"failed to filter tags: invalid regular expression pattern: {error}") from error
    found: dict[str, str] = {}
    for tag in sorted(tags):
        if match := pattern.search(tag):
            found[expand(filter_.extract, match) if filter_.extract else tag] = tag
    return found


def _picker(choice: ImagePolicyChoice) -> Callable[[Mapping[str, str]], str]:
    """Return what picks the latest of some values; of several orders semver wins, then alphabetical."""
    if choice.semver is not None:
        try:
            constraint = Constraint(choice.semver.range)
        except BadConstraint as error:
            raise InvalidPolicyError(f"invalid policy: {error}") from error
        return lambda values: _highest(constraint, values)
    if choice.alphabetical is not None:
        first = choice.alphabetical.order.lower() == "desc"
        return lambda values: min(values) if first else max(values)
    if choice.numerical is not None:
        smallest = choice.numerical.order.lower() == "desc"
        return lambda values: _extreme(values, smallest=smallest)
    raise InvalidPolicyError(
        "invalid policy: given ImagePolicyChoice object is invalid: one of semver, alphabetical and numerical is needed"
    )


def _highest(constraint: Constraint, values: Mapping[str, str]) -> str:
    found = constraint.highest(values)
    if not found:
        raise NoLatestError(
            "unable to determine latest version from provided list: "
            f"none of {_count(values)} is a version within '{constraint.text}'"
        )
    return max(found)


def _extreme(values: Iterable[str], *, smallest: bool) -> str:
    numbers = [(_number(value), value) for value in values]
    return (min(numbers) if smallest else max(numbers))[1]


def _number(text: str) -> float:
    if not _NUMBER.match(text):
        raise NoLatestError(f"failed to parse invalid numeric value '{text}'")
    return float(text)


def _count(tags: Collection[str]) -> str:
    return "1 tag" if len(tags) == 1 else f"{len(tags)} tags"
