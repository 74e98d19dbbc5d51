"""``hubctl stats``: how many objects of each kind there are, and how they are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from hub.cli.command import ExampleCommand
from hub.cli.scope import Cluster, Scope, connect, scope_options

if TYPE_CHECKING:
    from hub.api.kind import Kind

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@click.command(
    cls=ExampleCommand,
    examples=(("stats -A", "Of the whole hub."), ("stats -n apps", "Of one namespace.")),
)
@scope_options(everywhere=True)
def stats(scope: Scope) -> None:
    """Count objects of each kind by state."""
    asyncio.run(_stats(scope))


async def _stats(scope: Scope) -> None:
    from hub.api.registry import KINDS
    from hub.cli.failures import Failed
    from hub.cli.output import write_table

    async with connect(scope) as cluster:
        found = await asyncio.gather(*(_counted(cluster, kind) for kind in KINDS))
    rows = [row for row in found if row]
    if not rows:
        raise Failed("this cluster knows none of the hub's kinds: 'hubctl install' installs them")
    write_table(["RECONCILERS", "RUNNING", "FAILING", "SUSPENDED", "STORAGE"], rows)


async def _counted(cluster: Cluster, kind: Kind) -> list[str] | None:
    from hub.cli.failures import is_missing_kind
    from hub.errors import NotFound

    try:
        items = (await cluster.client.list(kind.api, cluster.namespace)).items
    except NotFound as error:
        if is_missing_kind(error):
            return None
        raise
    return row_of(kind.name, items)


def row_of(name: str, items: list[dict[str, Any]]) -> list[str]:
    """Return the cells of a kind."""
    from hub.cli.selector import StatusSelector

    suspended = [raw for raw in items if (raw.get("spec") or {}).get("suspend")]
    failing = [raw for raw in items if StatusSelector("Ready", "False").matches(raw)]
    size = sum(int(((raw.get("status") or {}).get("artifact") or {}).get("size") or 0) for raw in items)
    counts = [len(items) - len(suspended), len(failing), len(suspended)]
    return [name, *(str(one) for one in counts), human(size) if size else "-"]


def human(size: float) -> str:
    """Return bytes in the largest unit that leaves one digit before the point."""
    for unit in _UNITS[:-1]:
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} {_UNITS[-1]}"
