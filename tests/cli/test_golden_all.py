"""Every command has a page, and every page a command: a new verb cannot be forgotten."""

from __future__ import annotations

import ast
from pathlib import Path

import click
import pytest
from cli_golden import FOLDER

from hub.cli.main import hubctl

ELSEWHERE = {
    "dev up": "its lines come in the order in which clusters get ready; tests/dev/test_environment.py has them",
}
"""Commands without a page, and why."""

_ALIASES = {"hr": "helmrelease"}


def leaves(command=hubctl, path=()):
    """Yield the words of every command that is no group."""
    if not isinstance(command, click.Group):
        yield " ".join(path)
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        yield from leaves(command.get_command(context, name), (*path, name))


def written():
    """Return the words of each page's command."""
    firsts = {path.stem: path.read_text().splitlines()[0] for path in FOLDER.glob("*.txt")}
    return {name: ast.literal_eval(first.removeprefix("$ hubctl ")) for name, first in firsts.items()}


def names_in_tests():
    """Return the names of the pages that tests ask for."""
    found = set()
    for path in Path(__file__).parents[1].rglob("test_*.py"):
        if path.parent.name in ("cli", "scenarios"):
            for node in ast.walk(ast.parse(path.read_text())):
                is_table = isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in (
                    "CASES",
                    "STORY",
                    "PAGES",
                )
                if is_table and isinstance(node.value, ast.Dict):
                    found |= {ast.literal_eval(key) for key in node.value.keys}
    return found


@pytest.mark.parametrize("command", list(leaves()))
def test_it_has_a_page(command):
    pages = [f"{' '.join(_ALIASES.get(word, word) for word in words.split())} " for words in written().values()]
    assert command in ELSEWHERE or any(page.startswith(f"{command} ") for page in pages)


def test_no_page_is_left_over():
    assert {path.stem for path in FOLDER.glob("*.txt")} == names_in_tests()


def test_the_exceptions_exist():
    assert set(ELSEWHERE) <= set(leaves())
