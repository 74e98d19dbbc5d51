"""
The program ``hubctl``: its verbs, and the one place where errors become a line on stderr and an exit code.

Exit codes: 0 what was asked came true, 1 it did not, 2 the command line makes no sense, 130 interrupted.
"""

from __future__ import annotations

import errno
import os
import sys

import click

from hub import __version__
from hub.cli.lazy import LazyGroup, Verb
from hub.cli.scope import group_options

INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it


VERBS: dict[str, Verb] = {
    "status": Verb("hub.cli.status", "status", "Show the fleet on one screen."),
    "get": Verb("hub.cli.get", "get", "List objects and how they are."),
    "why": Verb(
        "hub.cli.why",
        "why",
        "Tell what is wrong with a release, and the way out.",
    ),
    "reconcile": Verb("hub.cli.reconcile", "reconcile", "Let the hub look at an object now, and wait for the outcome."),
    "suspend": Verb("hub.cli.suspend", "suspend", "Let the hub leave objects alone."),
    "resume": Verb("hub.cli.suspend", "resume", "Let the hub take care of suspended objects again."),
    "rollback": Verb(
        "hub.cli.rollback",
        "rollback",
        "Go back to an older revision, until the next change.",
    ),
    "history": Verb("hub.cli.history", "history", "List the revisions of a release, as its member has them."),
    "diff": Verb("hub.cli.diff", "diff", "Show what an upgrade would change on each member, before it happens."),
    "values": Verb("hub.cli.values", "values", "Tell where the values of a release come from."),
    "create": Verb("hub.cli.create", "create", "Create or update objects, or print them."),
    "delete": Verb("hub.cli.delete", "delete", "Delete objects, after saying what goes with them."),
    "export": Verb("hub.cli.export", "export", "Print objects as YAML, without status and book-keeping."),
    "build": Verb("hub.cli.build", "build", "Build an artifact from a folder, or the manifests of a release."),
    "push": Verb("hub.cli.artifact", "push", "Push an artifact to a registry."),
    "pull": Verb("hub.cli.artifact", "pull", "Pull an artifact from a registry."),
    "list": Verb("hub.cli.artifact_tags", "list_", "List the artifacts of a registry."),
    "tag": Verb("hub.cli.artifact_tags", "tag", "Give an artifact of a registry further tags."),
    "events": Verb("hub.cli.events", "events", "Show what happened to the hub's objects."),
    "logs": Verb("hub.cli.logs", "logs", "Show what the hub, or Flux's controllers, wrote about objects."),
    "tree": Verb("hub.cli.tree", "tree", "Show what an object applied, or what is made from a source."),
    "trace": Verb("hub.cli.trace", "trace", "Tell which release and commit an object comes from."),
    "stats": Verb("hub.cli.stats", "stats", "Count objects of each kind by state."),
    "debug": Verb("hub.cli.debug", "debug", "Show one aspect of an object in full."),
    "member": Verb("hub.cli.member", "member", "Add, look at and renew the clusters that releases go to."),
    "image": Verb("hub.cli.image", "image", "Look ahead at what image automation does."),
    "install": Verb("hub.cli.install", "install", "Install the hub, or upgrade it to the version of this program."),
    "uninstall": Verb("hub.cli.uninstall", "uninstall", "Remove the hub from its host cluster; asks first."),
    "check": Verb(
        "hub.cli.check",
        "check",
        "Tell whether the cluster can have a hub and, without --pre, whether the one it has is well.",
    ),
    "migrate": Verb("hub.cli.migrate", "migrate", "Take over from Flux on this cluster, or with --back give back."),
    "dev": Verb("hub.cli.dev", "dev", "Run real clusters on this machine: one hub, some members."),
    "version": Verb("hub.cli.version", "version", "Tell the versions of this program and of the hub."),
    "completion": Verb(
        "hub.cli.completion",
        "completion",
        "Print the completion script of a shell.",
    ),
}


@click.group(
    cls=LazyGroup, verbs=VERBS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
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
    except click.UsageError as error:
        _failed(_usage(error))
        return error.exit_code
    except click.ClickException as error:
        _failed(error.format_message())
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except Exception as error:
        from hub.cli.failures import code_of, explain

        sentence = explain(error)
        if sentence is None:  # a bug: the traceback is what helps
            raise
        _failed(sentence)
        return code_of(error)
    sys.stdout.flush()  # a reader that went away is noticed here, not at exit
    return 0


def _failed(sentence: str) -> None:
    from hub.cli.say import Say

    Say().failure(sentence)


def _usage(error: click.UsageError) -> str:
    """Return a usage error on one line, and where the usage is told."""
    text = " ".join(error.format_message().split()).rstrip(".")
    if error.ctx is None:
        return text
    see = f"ee '{error.ctx.command_path} --help'"
    return f"{text} S{see}" if text.endswith("?") else f"{text}; s{see}"
