"""
Expressions of the Common Expression Language that users write into objects. The only module that imports ``cel``.

An expression is compiled once and remembered; evaluating never raises what users cannot act on.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class BadExpression(ValueError):
    """The text is not an expression; the message says where it breaks."""


class Expression:
    """A compiled expression, most often one that says yes or no."""

    def __init__(self, text: str) -> None:
        """
        Compile an expression.

        Raises:
            BadExpression: It is not one.
        """
        self.text = text
        self._program = _compiled(text)

    def holds(self, variables: Mapping[str, Any]) -> bool:
        """
        Whether the expression is true for some variables (JSON data by name).

        Raises:
            ValueError: It cannot be evaluated for them (a field is not there), or is neither true nor false.
        """
        result = self.value(variables)
        if not isinstance(result, bool):
            raise ValueError(  # noqa: TRY004  the expression is at fault, not a type of ours
                f"the result is of type {type(result).__name__}, not a boolean"
            )
        return result

    def value(self, variables: Mapping[str, Any]) -> Any:
        """Return what the expression is for some variables; raises ``ValueError`` when it cannot be evaluated."""
        try:
            return self._program.execute(dict(variables))
        except KeyError as error:
            raise ValueError(f"no such key: {error.args[0]}") from error
        except Exception as error:
            raise ValueError(str(error)) from error


@lru_cache(maxsize=1024)
def _compiled(text: str) -> Any:
    import cel  # noqa: PLC0415  it brings a command line along: 12 MiB that a hub without expressions is spared

    try:
        return cel.compile(text)
    except Exception as error:
        raise BadExpression(str(error).strip()) from error
