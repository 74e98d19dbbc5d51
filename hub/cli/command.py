"""The shape of verbs: their help has examples, and lists the kinds there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.shell_completion import CompletionItem


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
                formatter.write_dl([(f"hubctl {line}", text) for line, text in self._examples], col_max=50)


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
        from hub.api.registry import KINDS

        super().format_epilog(ctx, formatter)
        rows = [
            (kind.name, ", ".join(dict.fromkeys([*kind.names, kind.api.plural, *kind.short_names]))) for kind in KINDS
        ]
        with formatter.section("Kinds"):
            formatter.write_dl([*rows, ("several", "sources all, all")] if self._several else rows)
