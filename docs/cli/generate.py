# ruff: noqa: INP001  # a script, no package
"""
``python docs/cli/generate.py [--check]``: write the reference of ``hubctl`` and ``hub`` from the commands themselves.

One page for each verb of ``hubctl``, with a section for each of its subcommands: what ``--help`` says, so that the two
never differ.
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
_NOTE = "Written by `make docs` from the program's own help."


def pages() -> dict[str, str]:
    """Return the text of each page by its file name."""
    context = _context(hubctl, "hubctl", None)
    found = {"hub.md": _page(hub, "hub", None), "hubctl.md": _overview(context)}
    for name in hubctl.list_commands(context):
        if (verb := hubctl.get_command(context, name)) is not None:
            found[f"hubctl_{name}.md"] = _page(verb, f"hubctl {name}", context)
    return found


def _overview(context: click.Context) -> str:
    rows = []
    for name in hubctl.list_commands(context):
        verb = hubctl.get_command(context, name)
        rows.append(f"- [hubctl {name}](hubctl_{name}.md): {((verb and verb.help) or '').strip().splitlines()[0]}")
    sections = ["# hubctl", _NOTE, f"```\n{context.get_help().rstrip()}\n```", "## Verbs", "\n".join(rows)]
    return "\n\n".join(sections) + "\n"


def _page(command: click.Command, title: str, parent: click.Context | None) -> str:
    sections = [f"# {title}", _NOTE]
    for words, context in _commands(command, title, parent):
        sections += [*([f"## {words}"] if words != title else []), f"```\n{context.get_help().rstrip()}\n```"]
    return "\n\n".join(sections) + "\n"


def _context(command: click.Command, words: str, parent: click.Context | None) -> click.Context:
    settings = {**command.context_settings, "terminal_width": _WIDTH}
    return click.Context(command, info_name=words.rsplit(maxsplit=1)[-1], parent=parent, **settings)


def _commands(command: click.Command, words: str, parent: click.Context | None) -> Iterator[tuple[str, click.Context]]:
    context = _context(command, words, parent)
    yield words, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if (child := command.get_command(context, name)) is not None:
                yield from _commands(child, f"{words} {name}", context)


def main(args: list[str]) -> int:
    """Write the pages, or with ``--check`` tell whether they are fresh."""
    folder, texts = Path(__file__).parent, pages()
    stale = [
        name for name, text in texts.items() if not (folder / name).is_file() or (folder / name).read_text() != text
    ]
    gone = [path for path in folder.glob("*.md") if path.name not in texts]
    if "--check" in args:
        for name in [*stale, *(path.name for path in gone)]:
            sys.stderr.write(f"docs/cli/{name} is not what the program says; run 'make docs'\n")
        return 1 if stale or gone else 0
    for name, text in texts.items():
        (folder / name).write_text(text)
    for path in gone:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
