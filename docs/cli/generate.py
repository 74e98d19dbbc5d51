# ruff: noqa: INP001  # a script, no package
"""
``python docs/cli/generate.py [--check]``: write the reference of ``hubctl`` and ``hub`` from the commands themselves.

One page for each program, one section for each verb: what ``--help`` says, so that the two never differ.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.cli.main import hubctl
from hub.manager import main as hub

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH = 100


def pages() -> dict[str, str]:
    """Return the text of each page by its file name."""
    return {"hubctl.md": _page(hubctl, "hubctl"), "hub.md": _page(hub, "hub")}


def _page(program: click.Command, name: str) -> str:
    sections = [f"# {name}", "Written by `make docs` from the program's own help."]
    for words, context in _commands(program, name, None):
        sections += [f"## {words}", f"```\n{context.get_help().rstrip()}\n```"]
    return "\n\n".join(sections) + "\n"


def _commands(command: click.Command, words: str, parent: click.Context | None) -> Iterator[tuple[str, click.Context]]:
    settings = {**command.context_settings, "terminal_width": _WIDTH}
    context = click.Context(command, info_name=words.rsplit(maxsplit=1)[-1], parent=parent, **settings)
    yield words, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if (child := command.get_command(context, name)) is not None:
                yield from _commands(child, f"{words} {name}", context)


def main(args: list[str]) -> int:
    """Write the pages, or with ``--check`` tell whether they are fresh."""
    folder = Path(__file__).parent
    stale = [
        name for name, text in pages().items() if not (folder / name).is_file() or (folder / name).read_text() != text
    ]
    if "--check" in args:
        for name in stale:
            sys.stderr.write(f"docs/cli/{name} is not what the program says; run 'make docs'\n")
        return 1 if stale else 0
    for name, text in pages().items():
        (folder / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
