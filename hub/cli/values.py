"""``hubctl values``: where the values of a release come from."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any, Literal

import click

from hub.cli.command import ExampleCommand, words_argument
from hub.cli.lazy import SuggestingGroup
from hub.cli.scope import Scope, connect, scope_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.cli.scope import Cluster
    from hub.release.explain import Contribution, Explained, Path
    from hub.release.explain_read import Story

_HIDDEN = "(hidden)"
_LONGEST = 60  # characters of a value in a table; the other forms show all of it


@click.group(cls=SuggestingGroup)
def values() -> None:
    """Tell where the values of a release come from."""


@values.command(
    cls=ExampleCommand,
    examples=(
        ("values explain hr/web", "Every value of a release, and the layer that set it."),
        ("values explain hr/web image.tag", "One value, or what is below a key."),
        ("values explain hr/web -o yaml", "In full, for programs."),
    ),
)
@words_argument("hr/NAME [KEY.PATH]")
@click.option(
    "-o", "--output", "form", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True
)
@click.option(
    "--artifacts",
    metavar="URL",
    default="",
    help="Where the hub's artifacts can be fetched from here. Default: where their addresses say.",
)
@scope_options()
def explain(words: tuple[str, ...], scope: Scope, *, form: Literal["table", "json", "yaml"], artifacts: str) -> None:
    """
    Tell for each value of a release which layer set it, and what it overrode.

    Layers, the last one wins: the chart's values.yaml (or the values files that it was packaged with), those of the
    annotation hubctl.io/values-layers, valuesFrom, values. What a Secret says is hidden.
    """
    name, path = _asked(words)
    asyncio.run(_explain(scope, name, path, form, artifacts))


def _asked(words: Sequence[str]) -> tuple[str, Path]:
    """Read the name of the release and the keys of a value."""
    from hub.api.helm import HelmRelease
    from hub.cli.kinds import select

    named = 1 if words and "/" in words[0] else 2
    selection = select(words[:named])
    if selection.kinds != (HelmRelease.KIND,):
        raise click.UsageError("only a HelmRelease has values; say hr/NAME")
    if not selection.names:
        raise click.UsageError("which HelmRelease? Say hr/NAME; 'hubctl get hr' lists them")
    if len(words) > named + 1:
        raise click.UsageError(f"one key at a time; what is '{words[named + 1]}'?")
    return selection.names[0], _keys(words[named]) if len(words) > named else ()


def _keys(text: str) -> Path:
    r"""Split ``a.b\.c`` at the dots that no backslash takes away."""
    parts = re.findall(r"((?:[^.\\]|\\.)+)", text)
    return tuple(re.sub(r"\\(.)", r"\1", part) for part in parts)


async def _explain(scope: Scope, name: str, path: Path, form: str, artifacts: str) -> None:
    from hub.cli.failures import Failed
    from hub.cli.say import Say
    from hub.content.values import ValuesError
    from hub.release.explain import explain as explained

    async with connect(scope) as cluster:
        story = await _read(cluster, name, artifacts)
    try:
        found = explained(story.chart, story.layers, story.inline, path)
    except ValuesError as error:
        raise Failed(f"the values of {name} cannot be put together: {error}") from error
    say = Say()
    for warning in story.warnings:
        say.warning(f"{warning}{_hint(warning, artifacts)}")
    if not found:
        key = ".".join(path)
        raise Failed(f"{name} has no value at '{key}'" if path else f"{name} has no values")
    if form == "table":
        _print_table(found)
    else:
        _print_document(form, found)


async def _read(cluster: Cluster, name: str, artifacts: str) -> Story:
    from pathlib import Path as Folder
    from tempfile import TemporaryDirectory

    from hub.api.helm import HelmRelease
    from hub.cli.artifacts import detour
    from hub.cli.objects import read
    from hub.release.explain_read import reading

    raw = await read(cluster, HelmRelease.KIND, name)
    with TemporaryDirectory(prefix="hubctl-") as folder:
        async with reading(cluster.client, Folder(folder), artifacts, detour(cluster.client)) as reader:
            return await reader.read(raw)


def _hint(warning: str, artifacts: str) -> str:
    """Say the way out when artifacts cannot be reached, which is the rule outside of the hub's cluster."""
    if artifacts or "could not download" not in warning:
        return ""
    return "; forward the hub's port (kubectl port-forward) and say --artifacts http://127.0.0.1:PORT"


def _print_table(found: Sequence[Explained]) -> None:
    from hub.cli.output import write_table

    rows = [
        [
            _key(one.path),
            _shown(one.by),
            one.by.layer,
            ", ".join(f"{_shown(below)} ({below.layer})" for below in one.overrides),
        ]
        for one in found
    ]
    write_table(["KEY", "VALUE", "SET BY", "OVERRIDES"], rows)


def _key(path: Path) -> str:
    """Return keys as one says them to this command, and to ``helm --set``."""
    return ".".join(key.replace("\\", "\\\\").replace(".", "\\.") for key in path)


def _shown(one: Contribution) -> str:
    """Return a value on one line: text as it is where nobody can take it for something else, JSON otherwise."""
    from hub.content.goyaml import resolve

    if one.hidden:
        return _HIDDEN
    value = one.value
    plain = isinstance(value, str) and value.isprintable() and value.strip() == value and resolve(value) == value
    text = value if plain and value else json.dumps(value, ensure_ascii=False)
    if not text.isprintable():
        text = json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _print_document(form: str, found: Sequence[Explained]) -> None:
    from hub.cli.output import write_document

    documents = [
        {
            "key": _key(one.path),
            **_documented(one.by),
            "overrides": [_documented(below) for below in one.overrides],
        }
        for one in found
    ]
    write_document(form, documents)


def _documented(one: Contribution) -> dict[str, Any]:
    return {**({"hidden": True} if one.hidden else {"value": one.value}), "setBy": one.layer}
