"""
The program ``hubctl``: its verbs, and the one place where errors become a line on stderr and an exit code.

Exit codes: 0 what was asked came true, 1 it did not, 2 the command line makes no sense, 130 interrupted.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from typing import NamedTuple

import click

from hub import __version__
from hub.cli.scope import group_options

INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it


class Verb(NamedTuple):
    """A subcommand: where its click command is, and what ``hubctl --help`` says about it."""

    module: str
    attribute: str
    help: str


VERBS: dict[str, Verb] = {
    "get": Verb("hub.cli.get", "get", "List objects and how they are."),
    "reconcile": Verb("hub.cli.reconcile", "reconcile", "Let the hub look at an object now, and wait for the outcome."),
    "suspend": Verb("hub.cli.suspend", "suspend", "Let the hub leave objects alone."),
    "resume": Verb("hub.cli.suspend", "resume", "Let the hub take care of suspended objects again."),
    "values": Verb("hub.cli.values", "values", "Tell where the values of a release come from."),
    "install": Verb("hub.cli.install", "install", "Install the hub on its host cluster, or upgrade it."),
    "uninstall": Verb("hub.cli.uninstall", "uninstall", "Remove the hub; objects and what runs on members stay."),
    "check": Verb("hub.cli.check", "check", "Tell whether a hub can be installed, and whether it is well."),
    "migrate": Verb("hub.cli.migrate", "migrate", "Take over from Flux on this cluster, or give back."),
    "dev": Verb("hub.cli.dev", "dev", "Run real clusters on this machine: one hub, some members."),
}


class LazyGroup(click.Group):
    """A group whose subcommands are imported when one of them is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Return the verbs in the order in which people meet them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one verb."""
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        command: click.Command = getattr(importlib.import_module(verb.module), verb.attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest a verb for one that does not exist."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            import difflib

            guess = difflib.get_close_matches(args[0], VERBS, 1)
            hint = f"did you mean '{guess[0]}'?" if guess else f"there are: {', '.join(VERBS)}"
            raise click.UsageError(f"no such command '{args[0]}'; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the verbs without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.help) for name, verb in VERBS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "--version", "-V", prog_name="hubctl")
@group_options
def hubctl() -> None:
    """
    Releases on many clusters: see them, hurry them, hold them.

    `hubctl get hr -A` is the place to start.
    """


def main(args: list[str] | None = None) -> int:
    """Run ``hubctl`` and return its exit code."""
    try:
        return _run(args)
    except OSError as error:
        if error.errno != errno.EPIPE:
            raise
        # Whoever read our output has seen enough (``| head``). What is still buffered must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(args: list[str] | None) -> int:
    try:
        hubctl.main(args, prog_name="hubctl", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except Exception as error:
        from hub.cli.failures import explain
        from hub.cli.say import Say

        sentence = explain(error)
        if sentence is None:  # a bug: the traceback is what helps
            raise
        Say().failure(sentence)
        return 1
    sys.stdout.flush()  # a reader that went away is noticed here, not at exit
    return 0
