"""The shape of verbs: their help has examples, and lists the kinds there are."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from click.shell_completion import CompletionItem

_BESIDE = 50  # columns of a command line that leave room for its explanation


def words_argument(metavar: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the words that name kinds and objects to a verb, which gets them as ``words``; shells can complete them."""
    return click.argument("words", metavar=metavar, nargs=-1, shell_complete=_complete)


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from hub.cli.completion import complete_words

    return complete_words(ctx, param, incomplete)


class ExampleCommand(click.Command):
    """
    A verb whose help has examples.

    Args:
        examples: Command lines, and what each does.
    """

    def __init__(self, *args: Any, examples: tuple[tuple[str, str], ...] = (), **more: Any) -> None:
        super().__init__(*args, **more)
        self._examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's
        """Write the examples."""
        if self._examples:
            with formatter.section("Examples"):
                _write_examples(formatter, [(f"hubctl {line}", text) for line, text in self._examples])


def _write_examples(formatter: click.HelpFormatter, rows: Sequence[tuple[str, str]]) -> None:
    """Write command lines beside what they do; below each other when one is long, so that it can be copied whole."""
    if all(len(line) <= _BESIDE for line, _ in rows):
        formatter.write_dl(rows, col_max=_BESIDE)
        return
    margin = " " * formatter.current_indent
    for line, text in rows:
        formatter.write(f"{margin}{line}\n")
        formatter.write(
            f"{textwrap.fill(text, formatter.width - 8, initial_indent=margin * 3, subsequent_indent=margin * 3)}\n"
        )


class KindCommand(ExampleCommand):
    """
    A verb on objects.

    Args:
        examples: Command lines, and what each does.
        several: It takes ``all`` too.
    """

    def __init__(self, *args: Any, several: bool = False, **more: Any) -> None:
        super().__init__(*args, **more)
        self._several = several

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write examples, then the kinds; the registry is read only now, when somebody asks."""
        from hub.api.kinds import KINDS

        super().format_epilog(ctx, formatter)
        rows = [
            (kind.name, ", ".join(dict.fromkeys([*kind.names, kind.api.plural, *kind.short_names]))) for kind in KINDS
        ]
        with formatter.section("Kinds"):
            formatter.write_dl([*rows, ("several", "sources all, images all, all")] if self._several else rows)
