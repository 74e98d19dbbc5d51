"""``hubctl get``: objects of any kind as a table, as documents or as names; once, or for as long as one looks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import click

from hub.cli.command import KindCommand, words_argument
from hub.cli.scope import Scope, connect, scope_options

if TYPE_CHECKING:
    from hub.api.kind import Kind
    from hub.cli.jsonpath import Part
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
        template: What to print instead of a table; None for none.
        source: The column SOURCE is shown.
    """

    selection: Selection
    form: Literal["", "wide", "json", "yaml", "name", "jsonpath"]
    labels: str | None
    status: StatusSelector | None
    header: bool
    everywhere: bool
    template: tuple[Part, ...] = ()
    source: bool = False

    def wants(self, raw: dict[str, Any]) -> bool:
        """Whether an object is asked for."""
        names = self.selection.names
        return (not names or raw["metadata"]["name"] in names) and (self.status is None or self.status.matches(raw))


class FormType(click.ParamType[str]):
    """A form of output, or a template of one."""

    name = "form"
    _NAMES = ("wide", "json", "yaml", "name")

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002  # click's signature
        return f"[{'|'.join(self._NAMES)}|jsonpath=TEMPLATE]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the form as it is; what there is not is a usage error."""
        text = str(value)
        if text not in self._NAMES and not text.startswith("jsonpath="):
            names = ", ".join(f"'{one}'" for one in (*self._NAMES, "jsonpath=TEMPLATE"))
            self.fail(f"'{text}' is not one of {names}.", param, ctx)
        return text


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
@words_argument("KIND [NAME]...")
@click.option("-o", "--output", "form", type=FormType(), help="Default: a table.")
@click.option("-w", "--watch", is_flag=True, help="Go on showing what changes, until interrupted.")
@click.option(
    "-l",
    "--selector",
    "--label-selector",
    "labels",
    metavar="LABELS",
    help="Only objects with these labels, e.g. app=web.",
)
@click.option("--status-selector", metavar="TYPE=STATUS", help="Only objects in this condition, e.g. Ready=False.")
@click.option("--show-source", is_flag=True, help="A column that names what each object is made from.")
@click.option("--no-header", is_flag=True, help="Rows only.")
@scope_options(everywhere=True)
def get(
    words: tuple[str, ...],
    scope: Scope,
    *,
    form: str | None,
    watch: bool,
    labels: str | None,
    status_selector: str | None,
    show_source: bool,
    no_header: bool,
) -> None:
    """List objects and how they are."""
    from hub.cli.kinds import select
    from hub.cli.selector import StatusSelector

    shape: Any = (form or "").partition("=")
    question = Question(
        selection=select(words, several=True),
        form=shape[0],
        template=_template(shape[2]) if shape[0] == "jsonpath" else (),
        source=show_source,
        labels=labels,
        status=StatusSelector.parse(status_selector) if status_selector else None,
        header=not no_header,
        everywhere=scope.everywhere,
    )
    if scope.everywhere and question.selection.names:
        raise click.UsageError("a name is looked up in one namespace: leave -A away, or the name")
    asyncio.run(_follow(scope, question) if watch else _once(scope, question))


def _template(text: str) -> tuple[Part, ...]:
    from hub.cli.jsonpath import parse

    return parse(text)


async def _once(scope: Scope, question: Question) -> None:
    from hub.cli.printer import print_once

    async with connect(scope) as cluster:
        found = await _found(cluster, question)
        listed = list(zip(question.selection.kinds, found, strict=True))
        if question.form not in ("json", "yaml", "jsonpath") or question.selection.names:
            await _complain_if_missing(listed, question, cluster)
    print_once(question, listed)


async def _found(cluster: Cluster, question: Question) -> list[list[dict[str, Any]]]:
    """
    Return the objects of each kind; of several kinds those that the cluster does not know have none.

    Raises:
        NotFound: It knows none of them.
    """
    from hub.cli.failures import is_missing_kind
    from hub.errors import NotFound

    kinds = question.selection.kinds
    found = await asyncio.gather(*(_list(cluster, kind, question) for kind in kinds), return_exceptions=True)
    errors = [one for one in found if isinstance(one, BaseException)]
    for error in errors:
        if not (isinstance(error, NotFound) and is_missing_kind(error)) or len(errors) == len(kinds):
            raise error
    return [one if isinstance(one, list) else [] for one in found]


async def _list(cluster: Cluster, kind: Kind, question: Question) -> list[dict[str, Any]]:
    if question.selection.names:
        return await _named(cluster, kind, question)
    listed = await cluster.client.list(kind.api, cluster.namespace, labels=question.labels)
    return [raw for raw in listed.items if question.wants(raw)]


async def _named(cluster: Cluster, kind: Kind, question: Question) -> list[dict[str, Any]]:
    from hub.cli.objects import read

    found = await asyncio.gather(*(read(cluster, kind, name) for name in question.selection.names))
    return [raw for raw in found if question.wants(raw)]


async def _complain_if_missing(
    listed: list[tuple[Kind, list[dict[str, Any]]]], question: Question, cluster: Cluster
) -> None:
    from hub.cli.failures import Failed
    from hub.cli.objects import require_namespace

    if any(objects for _, objects in listed):
        return
    await require_namespace(cluster)
    kinds = [kind.name for kind, _ in listed]
    what = f"{kinds[0]} objects" if len(kinds) == 1 else "objects"
    hint = "" if question.everywhere else " (-A looks in all namespaces)"
    raise Failed(f"no {what} found in {cluster.where}{hint}")


async def _follow(scope: Scope, question: Question) -> None:
    from hub.cli.failures import is_missing_kind
    from hub.cli.printer import follower
    from hub.cli.say import Say
    from hub.cli.stream import Stream
    from hub.errors import NotFound

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
                try:
                    async for batch in stream.batches():
                        show(kind, batch)
                except NotFound as error:
                    # Of several kinds those that the cluster does not know have no objects, now and later.
                    if len(question.selection.kinds) == 1 or not is_missing_kind(error):
                        raise

            async with asyncio.TaskGroup() as group:
                for kind in question.selection.kinds:
                    group.create_task(one(kind))
