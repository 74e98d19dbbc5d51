"""How a function that templates call is declared: which Go types its parameters have. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub.content.gotemplate.data import NO_VALUE, Struct, type_name
from hub.content.gotemplate.errors import FunctionError

if TYPE_CHECKING:
    from collections.abc import Callable

_GO = {str: "string", int: "int", float: "float64", bool: "bool", list: "[]string", dict: "map[string]interface {}"}


@dataclass(frozen=True, slots=True)
class Function:
    """
    A function of templates.

    Attributes:
        call: Takes the arguments; raises ``FunctionError`` to end the rendering.
        parameters: ``str``, ``int``, ``float``, ``bool``, ``list``, ``dict`` or ``object``, which takes anything.
        rest: Type of further arguments; None when there are none.
    """

    call: Callable[..., Any]
    parameters: tuple[type, ...] = ()
    rest: type | None = None

    def expects(self, number: int) -> type:
        """Return the type of an argument by its place, counted from zero."""
        if number < len(self.parameters):
            return self.parameters[number]
        return self.rest or object

    def check_count(self, name: str, count: int) -> None:
        """
        Check how many arguments are given.

        Raises:
            FunctionError: Too few or too many.
        """
        least = len(self.parameters)
        if self.rest is None and count != least:
            raise FunctionError(f"wrong number of args for {name}: want {least} got {count}")
        if count < least:
            raise FunctionError(f"wrong number of args for {name}: want at least {least} got {count}")


def checked(value: Any, kind: type) -> Any:
    """
    Return a value that may be given as an argument of a type.

    Raises:
        FunctionError: It has another type; nothing is converted, as in Go.
    """
    if kind is object:
        return None if value is NO_VALUE else value
    if value is None or value is NO_VALUE:
        if kind in {list, dict}:
            return kind()  # nil is an empty slice, an empty map
        raise FunctionError(f"invalid value; expected {_GO[kind]}")
    fits = isinstance(value, (list, tuple) if kind is list else kind) and not isinstance(value, Struct)
    if not fits or (kind in {int, float} and isinstance(value, bool)):
        raise FunctionError(f"wrong type for value; expected {_GO[kind]}; got {type_name(value)}")
    return value


def constant(value: Any, source: str, kind: type) -> Any:
    """
    Return a constant that was written as an argument of a type; numbers have no type of their own.

    Raises:
        FunctionError: It cannot be one.
    """
    if kind is object or (kind in {str, bool} and isinstance(value, kind)):
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int and number and float(value).is_integer():
        return int(value)
    if kind is float and number:
        return float(value)
    words = {str: "string", bool: "bool", int: "integer", float: "float"}
    if kind in words:
        raise FunctionError(f"expected {words[kind]}; found {source}")
    raise FunctionError(f"can't handle {source} for arg of type {_GO[kind]}")
