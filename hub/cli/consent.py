"""Ask before something is destroyed: what it is first, then the question; where nobody can be asked, refuse."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from hub.cli.failures import Failed
from hub.cli.spinner import spinner_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


def yes_option(*more: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--yes`` to a verb, which gets it as ``sure``; ``more`` are other names of it."""
    return click.option("-y", "--yes", *more, "sure", is_flag=True, help="Do not ask.")


def require_consent(head: str, touched: Sequence[str]) -> None:
    """
    Tell what would be touched, and go on only when somebody agrees.

    Args:
        head: What would be done, e.g. "this deletes".
        touched: One line for each object, and what goes with it.

    Raises:
        Failed: There is nobody to ask.
        click.Abort: The answer is no.
    """
    spinner_of().dismiss()
    click.echo("\n".join([f"{head}:", *(f"  {line}" for line in touched)]), err=True)
    if not sys.stdin.isatty():
        raise Failed("nothing was changed: there is nobody to ask; say --yes")
    click.confirm("Are you sure?", abort=True, err=True)
