"""
The conditions of one object and the rules that Flux keeps them by. Pure: the clock is an argument.

- ``lastTransitionTime`` moves when status, reason or message changes.
- Reconciling and Stalled exclude each other: setting one to True removes the other.
- Messages are cut to what the API server accepts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.api.meta import READY, RECONCILING, STALLED, Condition

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hub.api.meta import ConditionStatus

MAX_MESSAGE = 32768
_FIRST = (STALLED, RECONCILING, READY)
_EXCLUDES = {RECONCILING: STALLED, STALLED: RECONCILING}
_ELLIPSIS = "..."


class Conditions:
    """
    A set of conditions, one per type, that a reconcile changes and writes back.

    Args:
        items: The conditions the object has now; they are not modified.
        generation: Generation of the spec that is being worked on.
        now: Returns the present as an RFC 3339 text.
    """

    def __init__(self, items: Sequence[Condition], generation: int, now: Callable[[], str]) -> None:
        self._by_type = {item.type: item for item in reversed(items)}
        self._generation = generation
        self._now = now

    def mark(self, type_: str, status: ConditionStatus, reason: str, message: str) -> bool:
        """Set a condition and return whether anything, be it only the observed generation, is different now."""
        text = _trim(message)
        old = self._by_type.get(type_)
        same = old is not None and (old.status, old.reason, old.message) == (status, reason, text)
        new = Condition(
            type=type_,
            status=status,
            reason=reason,
            message=text,
            observed_generation=self._generation,
            last_transition_time=old.last_transition_time if old and same else self._now(),
        )
        self._by_type[type_] = new
        excluded = status == "True" and self._by_type.pop(_EXCLUDES.get(type_, ""), None) is not None
        return excluded or old is None or not same or old.observed_generation != self._generation

    def mark_true(self, type_: str, reason: str, message: str) -> bool:
        """Say that it holds."""
        return self.mark(type_, "True", reason, message)

    def mark_false(self, type_: str, reason: str, message: str) -> bool:
        """Say that it does not hold."""
        return self.mark(type_, "False", reason, message)

    def mark_unknown(self, type_: str, reason: str, message: str) -> bool:
        """Say that it is being found out."""
        return self.mark(type_, "Unknown", reason, message)

    def delete(self, *types: str) -> bool:
        """Remove conditions and return whether one of them was there."""
        found = [type_ for type_ in types if self._by_type.pop(type_, None) is not None]
        return bool(found)

    def get(self, type_: str) -> Condition | None:
        """Return the condition of a type."""
        return self._by_type.get(type_)

    def has(self, type_: str, status: ConditionStatus) -> bool:
        """Tell whether a condition is there with that status."""
        found = self._by_type.get(type_)
        return found is not None and found.status == status

    def is_true(self, type_: str) -> bool:
        """Tell whether a condition is there and True."""
        return self.has(type_, "True")

    def is_false(self, type_: str) -> bool:
        """Tell whether a condition is there and False."""
        return self.has(type_, "False")

    def items(self) -> list[Condition]:
        """Return them in Flux's order: Stalled, Reconciling, Ready, then newest generation first, then by type."""
        return sorted(self._by_type.values(), key=_order)


def _order(condition: Condition) -> tuple[int, int, str]:
    if condition.type in _FIRST:
        return _FIRST.index(condition.type), 0, ""
    return len(_FIRST), -condition.observed_generation, condition.type


def _trim(message: str) -> str:
    if len(message) <= MAX_MESSAGE:
        return message
    return message[: MAX_MESSAGE - len(_ELLIPSIS)] + _ELLIPSIS
