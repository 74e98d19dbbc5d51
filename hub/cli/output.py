"""Write what a command found to stdout: a table for people, a document for programs."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any, Literal

import click

from hub.cli.say import colourful
from hub.cli.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Form = Literal["table", "json", "yaml"]


def form_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``-o table|json|yaml`` to a verb, which gets it as ``form``."""
    choice = click.Choice(["table", "json", "yaml"])
    return click.option("-o", "--output", "form", type=choice, default="table", show_default=True)(command)


def write_lines(lines: Sequence[str]) -> None:
    """Write at once, so that a reader of a pipe sees it now and a closed pipe is noticed here."""
    if spinners := sys.modules.get("hub.cli.spinner"):
        spinners.spinner_of().dismiss()
    if lines:
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()


def terminal_width() -> int | None:
    """Columns of the terminal that stdout is; None when it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table_lines(header: Sequence[str], rows: Sequence[Sequence[str]], *, titled: bool = True) -> list[str]:
    """Return a table, for the terminal's width if there is one."""
    table = Table(header, terminal_width(), colourful(sys.stdout))
    cells = [[" ".join(cell.split()) for cell in row] for row in rows]
    table.fit(cells)
    return [*(table.title() if titled else []), *(line for row in cells for line in table.lines(row))]


def write_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, titled: bool = True) -> None:
    """Write a table."""
    write_lines(table_lines(header, rows, titled=titled))


def write_document(form: str, data: Any) -> None:
    """Write data as JSON or YAML."""
    from hub.cli.document import text

    write_lines([text(form, data)])


def styled(text: str, **style: Any) -> str:
    """Return text in a style where stdout has colours."""
    return click.style(text, **style) if colourful(sys.stdout) else text
