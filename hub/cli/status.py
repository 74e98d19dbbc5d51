"""``hubctl status``: the fleet on one screen."""

from __future__ import annotations

import asyncio
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from hub.cli.command import ExampleCommand
from hub.cli.scope import Cluster, Scope, connect, scope_options

if TYPE_CHECKING:
    from collections import Counter

    from hub.cli.fleet import Fleet, MemberState

_MEMBERS = 10  # shown; the others are counted
_SETTLE = 0.3  # seconds that changes are gathered before they are shown
_COLOURS = {"ready": "green", "failing": "red", "unreachable": "red", "in progress": "yellow", "suspended": "yellow"}


@click.command(
    cls=ExampleCommand,
    examples=(
        ("status", "The whole hub: sources, members, releases by state, what is worst."),
        ("status --watch", "The same, live, until interrupted."),
        ("status -n apps", "One namespace."),
    ),
)
@click.option("-w", "--watch", is_flag=True, help="Go on showing it as it changes, until interrupted.")
@scope_options()
def status(scope: Scope, *, watch: bool) -> None:
    """
    Show the fleet on one screen.

    Sources, charts and releases by state, members by their releases, and the worst five of what is not well. All
    namespaces, unless -n chooses one.
    """
    from dataclasses import replace

    chosen = scope if scope.namespace else replace(scope, everywhere=True)
    asyncio.run(_follow(chosen) if watch else _once(chosen))


async def _once(scope: Scope) -> None:
    from hub.cli.fleet import Fleet
    from hub.cli.output import write_lines
    from hub.cli.relations import Relations

    async with connect(scope) as cluster:
        relations = await Relations.load(cluster.client, cluster.namespace)
        lines = screen(Fleet.of(relations.objects.values()), cluster)
    write_lines(lines)


async def _follow(scope: Scope) -> None:
    from hub.api.kinds import KINDS
    from hub.cli.relations import Relations, key_of
    from hub.cli.say import Say
    from hub.cli.stream import Stream

    async with connect(scope) as cluster:
        known = (await Relations.load(cluster.client, cluster.namespace)).objects
        kinds = {kind for kind in KINDS if any(key.kind == kind.name for key in known)} or set(KINDS)
        news = asyncio.Event()
        with ExitStack() as stack:
            show = _shower(stack)
            say = Say()

            async def one(kind: Any) -> None:
                lost = lambda why: say.warning(f"{why}; trying again")  # noqa: E731  # as Stream takes it
                async for batch in Stream(cluster.client, kind.api, cluster.namespace, lost=lost).batches():
                    for change in batch:
                        change.object.setdefault("kind", kind.name)
                        if change.what == "deleted":
                            known.pop(key_of(change.object), None)
                        else:
                            known[key_of(change.object)] = change.object
                    news.set()

            async def draw() -> None:
                from hub.cli.fleet import Fleet

                while True:
                    show(screen(Fleet.of(known.values()), cluster))
                    await news.wait()
                    await asyncio.sleep(_SETTLE)
                    news.clear()

            async with asyncio.TaskGroup() as group:
                for kind in kinds:
                    group.create_task(one(kind))
                group.create_task(draw())


def _shower(stack: ExitStack) -> Any:
    """Return what shows a screen: in place on a terminal, else below the last one when it says something new."""
    from hub.cli.output import write_lines

    if sys.stdout.isatty():
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        from hub.cli.spinner import spinner_of

        spinner_of().dismiss()
        live = stack.enter_context(Live(console=Console(highlight=False), auto_refresh=False, vertical_overflow="crop"))
        return lambda lines: live.update(Text.from_ansi("\n".join(lines)), refresh=True)
    last: list[str] = []

    def show(lines: list[str]) -> None:
        if lines != last:
            write_lines([*([""] if last else []), *lines])
            last[:] = lines

    return show


def screen(fleet: Fleet, cluster: Cluster) -> list[str]:
    """Return the fleet as lines."""
    from hub.cli.output import styled, table_lines

    now = datetime.now(UTC)
    where = f'namespace "{cluster.namespace}"' if cluster.namespace else "all namespaces"
    lines = [f"{styled('HUB', bold=True)}  {cluster.client.address}, {where}", ""]
    if not fleet.kinds:
        return [*lines, "no sources and no releases yet; 'hubctl create source git' is a start"]
    rows = [[name, str(counts.total()), _counts(counts)] for name, counts in sorted(fleet.kinds.items())]
    lines += table_lines(["KIND", "TOTAL", "STATES"], rows)
    if fleet.members:
        lines += ["", *_members(fleet, now)]
    if fleet.troubles:
        lines += ["", *_worst(fleet, now)]
    return lines


def _counts(counts: Counter[str]) -> str:
    from hub.cli.fleet import ORDER
    from hub.cli.output import styled

    return ", ".join(styled(f"{counts[state]} {state}", fg=_COLOURS[state]) for state in ORDER if counts[state])


def _members(fleet: Fleet, now: datetime) -> list[str]:
    from hub.cli.output import table_lines

    members = fleet.ordered_members
    rows = [[one.name, str(one.states.total()), _member_state(one, now)] for one in members[:_MEMBERS]]
    lines = table_lines(["MEMBER", "RELEASES", "STATES"], rows)
    if rest := members[_MEMBERS:]:
        fine = sum(one.is_fine for one in rest)
        lines.append(f"and {len(rest)} more, {'all' if fine == len(rest) else fine} of them fine")
    return lines


def _member_state(member: MemberState, now: datetime) -> str:
    from hub.cli.rows import age

    lost = f", lost {age(member.lost_since, now)} ago" if member.lost_since else ""
    return f"{_counts(member.states)}{lost}"


def _worst(fleet: Fleet, now: datetime) -> list[str]:
    from hub.cli.fleet import WORST
    from hub.cli.output import table_lines
    from hub.cli.rows import age

    shown = fleet.troubles[:WORST]
    title = "WORST" if len(shown) == len(fleet.troubles) else f"WORST {WORST} OF {len(fleet.troubles)}"
    rows = [[one.what, age(one.since, now), one.message] for one in shown]
    return table_lines([title, "SINCE", "MESSAGE"], rows)
