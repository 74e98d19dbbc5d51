"""
Values as templates see them: what is true, how a value prints, what its Go type is called. Pure.

Data is JSON data (str, int, float, bool, None, list, dict) and :class:`Struct`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class NoValue:
    """What a missing key of a map gives; there is one."""

    def __repr__(self) -> str:
        return "<no value>"


NO_VALUE = NoValue()
_PLAIN_DIGITS = 6
"""From this exponent on ``%g`` writes an exponent, when it may choose how many digits it needs."""


class Struct:
    """
    A Go struct: a type, fields (methods without arguments count as such), and maybe a text of its own.

    Args:
        type_name: As Go prints it, e.g. ``update.ImageRef``.
        fields: By name, in the order of the declaration. What is no field of it is an error, not ``<no value>``.
        text: What it prints as, when its type has a ``String`` method.
        hidden: Names of methods: reachable, but not printed.
    """

    __slots__ = ("_hidden", "fields", "text", "type_name")

    def __init__(
        self, type_name: str, fields: Mapping[str, Any], text: str | None = None, hidden: tuple[str, ...] = ()
    ) -> None:
        self.type_name = type_name
        self.fields = dict(fields)
        self.text = text
        self._hidden = hidden

    @property
    def printed(self) -> list[tuple[str, Any]]:
        """The fields that printing shows."""
        return [(name, value) for name, value in self.fields.items() if name not in self._hidden]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Struct) and (self.type_name, self.printed) == (other.type_name, other.printed)

    def __hash__(self) -> int:
        return hash((self.type_name, tuple(str(value) for _, value in self.printed)))


def truth(value: Any) -> bool:
    """Return what ``if`` makes of a value: everything is true that is not the zero value of its type."""
    if value is None or value is NO_VALUE:
        return False
    if isinstance(value, bool | int | float | str | list | tuple | dict):
        return bool(value)
    return True


def type_name(value: Any) -> str:
    """Return the Go type of a value, as ``%T`` prints it."""
    if value is None or value is NO_VALUE:
        return "<nil>"
    if isinstance(value, Struct):
        return value.type_name
    names: tuple[tuple[type, str], ...] = (
        (bool, "bool"), (int, "int"), (float, "float64"), (str, "string"), (list, "[]interface {}"),
        (tuple, "[]interface {}"), (dict, "map[string]interface {}"),
    )  # fmt: skip
    return next((name for kind, name in names if isinstance(value, kind)), "func")


def kind_name(value: Any) -> str:
    """Return the kind of a value's type: ``slice`` and ``map`` whatever they hold."""
    if isinstance(value, list | tuple):
        return "slice"
    if isinstance(value, dict):
        return "map"
    if isinstance(value, Struct):
        return "struct"
    return "invalid" if value is None or value is NO_VALUE else type_name(value)


def ordered(keys: Any) -> list[Any]:
    """Return keys of a map in the order in which Go ranges over them and prints them."""
    return sorted(keys, key=_order)


def _order(key: Any) -> tuple[int, Any]:
    if isinstance(key, Struct):
        return 3, tuple(_order(value) for _, value in key.printed)
    if isinstance(key, bool):
        return 1, key
    return (2, key) if isinstance(key, int | float) else (2, str(key))


def show(value: Any, *, plus: bool = False) -> str:
    """
    Return a value as ``%v`` prints it; with ``plus`` as ``%+v``, which names the fields of structs.

    Within a list or a map nil is ``<nil>``, as in Go.
    """
    if value is None or value is NO_VALUE:
        return "<nil>"
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return show_float(value)
    if isinstance(value, list | tuple):
        return f"[{' '.join(show(item, plus=plus) for item in value)}]"
    if isinstance(value, dict):
        pairs = (f"{show(key, plus=plus)}:{show(value[key], plus=plus)}" for key in ordered(value))
        return f"map[{' '.join(pairs)}]"
    if isinstance(value, Struct):
        if value.text is not None:
            return value.text
        shown = ((f"{name}:" if plus else "") + show(item, plus=plus) for name, item in value.printed)
        return f"{{{' '.join(shown)}}}"
    return str(value)


def show_float(value: float, verb: str = "g", precision: int | None = None) -> str:
    """Return a float as Go prints it with ``%g``, ``%e`` or ``%f``: the shortest text that reads back when no precision
    is given.
    """
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    if precision is not None:
        return format(value, f".{precision}{verb}")
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    digits, exponent = _shortest(value)
    sign = "-" if value < 0 else ""
    if verb == "e" or (verb == "g" and not -4 <= exponent < _PLAIN_DIGITS):
        mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
        return f"{sign}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    return sign + _plain(digits, exponent)


def _shortest(value: float) -> tuple[str, int]:
    """Return the shortest digits that stand for a float, and the exponent of the first of them."""
    mantissa, _, exponent = f"{value!r}".lstrip("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    first = len(whole) - 1 if whole.strip("0") else -1 - (len(fraction) - len(fraction.lstrip("0")))
    return digits.rstrip("0") or "0", first + int(exponent or 0)


def _plain(digits: str, exponent: int) -> str:
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    whole = digits[: exponent + 1].ljust(exponent + 1, "0")
    rest = digits[exponent + 1 :]
    return f"{whole}.{rest}" if rest else whole
