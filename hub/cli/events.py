"""``hubctl events``: what happened to the hub's objects."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from hub.cli.command import ExampleCommand
from hub.cli.scope import Cluster, Scope, connect, scope_options

if TYPE_CHECKING:
    from collections.abc import Collection

    from hub.api.kind import Key

_HEADER = ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]


class Filter(NamedTuple):
    """Which events: about these objects (None: all of ours), of these types (none: all)."""

    about: Collection[Key] | None
    types: Collection[str]

    def wants(self, event: dict[str, Any]) -> bool:
        """Whether an event is asked for."""
        if self.types and event.get("type") not in self.types:
            return False
        return _is_ours(event) if self.about is None else _about(event) in self.about


@click.command(
    cls=ExampleCommand,
    examples=(
        ("events", "Of all objects of the namespace, the newest last."),
        ("events --for hr/web", "Of a release, its chart and its source."),
        ("events -A --types Warning -w", "Whatever goes wrong, as it happens."),
    ),
)
@click.option("--for", "subject", metavar="KIND/NAME", help="Only of this object and what it is made from.")
@click.option("--types", metavar="TYPES", default="", help="Only of these types, e.g. Warning.")
@click.option("-w", "--watch", is_flag=True, help="Go on showing what happens, until interrupted.")
@click.option("--no-header", is_flag=True, help="Rows only.")
@scope_options(everywhere=True)
def events(scope: Scope, *, subject: str | None, types: str, watch: bool, no_header: bool) -> None:
    """Show what happened to the hub's objects."""
    from hub.cli.kinds import select

    wanted = [one.strip().capitalize() for one in types.split(",") if one.strip()]
    if unknown := set(wanted) - {"Normal", "Warning"}:
        raise click.UsageError(f"there is no type '{min(unknown)}' of events; there are Normal, Warning")
    selection = select([subject]) if subject else None
    if selection and not selection.names:
        raise click.UsageError(f"--for takes KIND/NAME; which {selection.kinds[0].name}?")
    if selection and scope.everywhere:
        raise click.UsageError("--for is about one object: leave -A away, or say which namespace with -n")
    key = (selection.kinds[0], selection.names[0]) if selection else None
    asyncio.run(_events(scope, key, wanted, watch=watch, titled=not no_header))


async def _events(scope: Scope, subject: Any, types: list[str], *, watch: bool, titled: bool) -> None:
    from hub.api.meta import EVENTS
    from hub.cli.output import write_table
    from hub.cli.say import Say

    say = Say()
    async with connect(scope) as cluster:
        chosen = Filter(await _chain(cluster, *subject) if subject else None, types)
        # What an object is made from may be in another namespace.
        namespaces = {key.namespace for key in chosen.about} if chosen.about is not None else {cluster.namespace}
        namespace = namespaces.pop() if len(namespaces) == 1 else None
        if watch:
            await _follow(cluster, namespace, chosen, say, everywhere=scope.everywhere, titled=titled)
            return
        found = [one for one in (await cluster.client.list(EVENTS, namespace)).items if chosen.wants(one)]
    if not found:
        say.failure(f"no events found in {cluster.where}; the API server forgets them after an hour")
        return
    now = datetime.now(UTC)
    rows = [row(one, now, everywhere=scope.everywhere) for one in sorted(found, key=_seen)]
    write_table(header(everywhere=scope.everywhere), rows, titled=titled)


async def _chain(cluster: Cluster, kind: Any, name: str) -> list[Key]:
    """Return the keys of an object and of what it is made from."""
    from hub.cli.objects import read
    from hub.cli.relations import Relations, key_of

    raw = await read(cluster, kind, name)
    relations = await Relations.around(cluster)
    return [key_of(raw), *relations.chain(raw)]


async def _follow(
    cluster: Cluster, namespace: str | None, chosen: Filter, say: Any, *, everywhere: bool, titled: bool
) -> None:
    from hub.api.meta import EVENTS
    from hub.cli.output import terminal_width, write_lines
    from hub.cli.stream import Stream
    from hub.cli.table import Table

    table = Table(header(everywhere=everywhere), terminal_width())
    stream = Stream(cluster.client, EVENTS, namespace, lost=lambda why: say.warning(f"{why}; trying again"))
    async for batch in stream.batches():
        found = [one.object for one in batch if one.what != "deleted" and chosen.wants(one.object)]
        rows = [row(one, datetime.now(UTC), everywhere=everywhere) for one in sorted(found, key=_seen)]
        table.fit(rows)
        title, titled = (table.title() if titled else []), False
        write_lines([*title, *(line for cells in rows for line in table.lines(cells))])


def header(*, everywhere: bool) -> list[str]:
    """Return the titles of the columns."""
    return ["NAMESPACE", *_HEADER] if everywhere else _HEADER


def row(event: dict[str, Any], now: datetime, *, everywhere: bool) -> list[str]:
    """Return the cells of an event."""
    from hub.cli.rows import age

    about = event.get("involvedObject") or {}
    count = event.get("count") or (event.get("series") or {}).get("count") or 1
    seen = age(_seen(event), now)
    first = event.get("firstTimestamp")
    when = f"{seen} (x{count} over {age(first, now)})" if count > 1 and first else seen
    cells = [when, event.get("type", ""), event.get("reason", ""), f"{about.get('kind')}/{about.get('name')}"]
    cells.append(" ".join(str(event.get("message", "")).split()))
    return [str(about.get("namespace", "")), *cells] if everywhere else cells


def _seen(event: dict[str, Any]) -> str:
    series = (event.get("series") or {}).get("lastObservedTime")
    return str(series or event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"])


def _about(event: dict[str, Any]) -> Key:
    from hub.api.kind import Key

    about = event.get("involvedObject") or {}
    return Key(about.get("kind", ""), about.get("namespace", ""), about.get("name", ""))


def _is_ours(event: dict[str, Any]) -> bool:
    from hub.api.kinds import kind_for

    about = event.get("involvedObject") or {}
    return kind_for(about.get("apiVersion", ""), about.get("kind", "")) is not None
