"""Groups of commands that are imported when one of them is called, so that the others cost nothing."""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from collections.abc import Mapping


class Verb(NamedTuple):
    """A subcommand: where its click command is, and what the group's help says about it."""

    module: str
    attribute: str
    help: str

    def load(self) -> click.Command:
        """Import it."""
        command: click.Command = getattr(importlib.import_module(self.module), self.attribute)
        return command


class SuggestingGroup(click.Group):
    """A group that suggests a subcommand for one that does not exist."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            names = self.list_commands(ctx)
            guess = difflib.get_close_matches(args[0], names, 1)
            hint = f"did you mean '{guess[0]}'?" if guess else f"there are: {', '.join(names)}"
            raise click.UsageError(f"no such command '{args[0]}'; {hint}", ctx)
        return super().resolve_command(ctx, args)


class LazyGroup(SuggestingGroup):
    """
    A group whose subcommands are imported when one of them is called.

    Args:
        verbs: Its subcommands, in the order in which people meet them.
    """

    def __init__(self, *args: Any, verbs: Mapping[str, Verb], **more: Any) -> None:
        super().__init__(*args, **more)
        self._verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Return the names of the subcommands."""
        return list(self._verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one subcommand."""
        verb = self._verbs.get(cmd_name)
        return verb.load() if verb else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the subcommands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.help) for name, verb in self._verbs.items()])
