"""``hubctl debug``: one aspect of an object as the hub sees it, in full."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from hub.cli.command import KindCommand, words_argument
from hub.cli.scope import Cluster, Scope, connect, scope_options

if TYPE_CHECKING:
    from hub.api.kind import Kind


@click.command(
    cls=KindCommand,
    examples=(
        ("debug hr web --show-values", "The values that helm is given. Those of Secrets are printed readable."),
        ("debug hr web --show-status", "The status, as YAML."),
        ("debug hr web --show-history", "What the hub remembers of the revisions that it made."),
    ),
)
@words_argument("KIND NAME")
@click.option("--show-status", "show", flag_value="status", help="The status.")
@click.option("--show-values", "show", flag_value="values", help="The composed values (HelmRelease).")
@click.option("--show-history", "show", flag_value="history", help="The history (HelmRelease).")
@scope_options()
def debug(words: tuple[str, ...], scope: Scope, *, show: str | None) -> None:
    """Show one aspect of an object in full."""
    from hub.api.helm import HelmRelease
    from hub.cli.kinds import one_kind

    kind, names = one_kind(words)
    if show is None:
        raise click.UsageError("say one of --show-status, --show-values, --show-history")
    if show != "status" and kind is not HelmRelease.KIND:
        raise click.UsageError(f"--show-{show} is for HelmReleases; a {kind.name} has only a status")
    asyncio.run(_debug(scope, kind, names[0], show))


async def _debug(scope: Scope, kind: Kind, name: str, show: str) -> None:
    from hub.cli.objects import read
    from hub.cli.output import write_document

    async with connect(scope) as cluster:
        raw = await read(cluster, kind, name)
        status = raw.get("status") or {}
        match show:
            case "values":
                found: Any = await _values(cluster, raw)
            case "history":
                found = status.get("history") or []
            case _:
                found = status
    write_document("yaml", found)


async def _values(cluster: Cluster, raw: dict[str, Any]) -> dict[str, Any]:
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from hub.cli.artifacts import detour
    from hub.cli.failures import Failed
    from hub.content.values import ValuesError
    from hub.release.explain_read import reading
    from hub.release.layers import combine

    with TemporaryDirectory(prefix="hubctl-") as folder:
        async with reading(cluster.client, Path(folder), reach=detour(cluster.client)) as reader:
            story = await reader.read(raw)
    try:
        return combine(story.layers, story.inline)
    except ValuesError as error:
        raise Failed(f"the values of {raw['metadata']['name']} cannot be put together: {error}") from error
