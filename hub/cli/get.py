"""``hubctl get``: objects of any kind as a table, as documents or as names; once, or for as long as one looks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import click

from hub.cli.command import KindCommand
from hub.cli.scope import Scope, connect, scope_options

if TYPE_CHECKING:
    from hub.api.kind import Kind
    from hub.cli.kinds import Selection
    from hub.cli.scope import Cluster
    from hub.cli.selector import StatusSelector


@dataclass(frozen=True, slots=True)
class Question:
    """
    What to list and how to show it.

    Attributes:
        form: The empty word is the table.
        labels: Label selector; None for all.
        status: Only objects whose condition matches; None for all.
    """

    selection: Selection
    form: Literal["", "wide", "json", "yaml", "name"]
    labels: str | None
    status: StatusSelector | None
    header: bool
    everywhere: bool

    def wants(self, raw: dict[str, Any]) -> bool:
        """Whether an object is asked for."""
        names = self.selection.names
        return (not names or raw["metadata"]["name"] in names) and (self.status is None or self.status.matches(raw))


@click.command(
    cls=KindCommand,
    several=True,
    examples=(
        ("get hr", "Releases of the namespace."),
        ("get hr -A -o wide", "Of all namespaces, with member, chart and revision."),
        ("get sources git --watch", "Git repositories, as they change."),
        ("get all --status-selector Ready=False", "Whatever is not ready."),
    ),
)
@click.argument("words", metavar="KIND [NAME]...", nargs=-1)
@scope_options(everywhere=True)
@click.option("-o", "--output", "form", type=click.Choice(["wide", "json", "yaml", "name"]), help="Default: a table.")
@click.option("-w", "--watch", is_flag=True, help="Go on showing what changes, until interrupted.")
@click.option("-l", "--selector", "labels", metavar="LABELS", help="Only objects with these labels, e.g. app=web.")
@click.option("--status-selector", metavar="TYPE=STATUS", help="Only objects in this condition, e.g. Ready=False.")
@click.option("--no-header", is_flag=True, help="Rows only.")
def get(
    words: tuple[str, ...],
    scope: Scope,
    *,
    form: Literal["wide", "json", "yaml", "name"] | None,
    watch: bool,
    labels: str | None,
    status_selector: str | None,
    no_header: bool,
) -> None:
    """List objects and how they are."""
    from hub.cli.kinds import select
    from hub.cli.selector import StatusSelector

    question = Question(
        selection=select(words, several=True),
        form=form or "",
        labels=labels,
        status=StatusSelector.parse(status_selector) if status_selector else None,
        header=not no_header,
        everywhere=scope.everywhere,
    )
    if scope.everywhere and question.selection.names:
        raise click.UsageError("a name is looked up in one namespace: leave -A away, or the name")
    asyncio.run(_follow(scope, question) if watch else _once(scope, question))


async def _once(scope: Scope, question: Question) -> None:
    from hub.cli.printer import print_once

    async with connect(scope) as cluster:
        found = await asyncio.gather(*(_list(cluster, kind, question) for kind in question.selection.kinds))
        listed = list(zip(question.selection.kinds, found, strict=True))
        if question.form not in ("json", "yaml") or question.selection.names:
            _complain_if_missing(listed, question, cluster)
    print_once(question, listed)


async def _list(cluster: Cluster, kind: Kind, question: Question) -> list[dict[str, Any]]:
    if question.selection.names:
        return await _named(cluster, kind, question)
    listed = await cluster.client.list(kind.api, cluster.namespace, labels=question.labels)
    return [raw for raw in listed.items if question.wants(raw)]


async def _named(cluster: Cluster, kind: Kind, question: Question) -> list[dict[str, Any]]:
    from hub.cli.objects import read

    found = await asyncio.gather(*(read(cluster, kind, name) for name in question.selection.names))
    return [raw for raw in found if question.wants(raw)]


def _complain_if_missing(listed: list[tuple[Kind, list[dict[str, Any]]]], question: Question, cluster: Cluster) -> None:
    from hub.cli.failures import Failed

    if any(objects for _, objects in listed):
        return
    kinds = [kind.name for kind, _ in listed]
    what = f"{kinds[0]} objects" if len(kinds) == 1 else "objects"
    hint = "" if question.everywhere else " (-A looks in all namespaces)"
    raise Failed(f"no {what} found in {cluster.where}{hint}")


async def _follow(scope: Scope, question: Question) -> None:
    from hub.cli.printer import follower
    from hub.cli.say import Say
    from hub.cli.stream import Stream

    async with connect(scope) as cluster:
        with follower(question) as show:
            say = Say()  # made in here: the table in place has taken over stderr

            async def one(kind: Kind) -> None:
                stream = Stream(
                    cluster.client,
                    kind.api,
                    cluster.namespace,
                    labels=question.labels,
                    lost=lambda why: say.warning(f"{why}; trying again"),
                )
                async for batch in stream.batches():
                    show(kind, batch)

            async with asyncio.TaskGroup() as group:
                for kind in question.selection.kinds:
                    group.create_task(one(kind))
