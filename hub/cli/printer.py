"""Write lists of objects to stdout: all at once, line by line as they change, or in place on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hub.cli.document import written, written_list
from hub.cli.output import terminal_width, write_lines
from hub.cli.rows import Layout
from hub.cli.say import colourful
from hub.cli.table import Table

if TYPE_CHECKING:
    from hub.api.kind import Kind
    from hub.cli.get import Question
    from hub.cli.stream import Change

Show = Callable[["Kind", "Sequence[Change]"], None]
Listed = Sequence[tuple["Kind", Sequence[dict[str, Any]]]]


def print_once(question: Question, listed: Listed) -> None:
    """Print what was found."""
    match question.form:
        case "" | "wide":
            lines = _tables(question, listed)
        case "name":
            lines = [written("name", kind, raw) for kind, objects in listed for raw in objects]
        case "jsonpath":
            text = rendered(question, [raw for _, found in listed for raw in found])
            lines = [text.removesuffix("\n")] if text else []
        case form:
            objects = [(kind, raw) for kind, found in listed for raw in found]
            if len(question.selection.names) == 1 and len(objects) == 1:
                lines = [written(form, *objects[0])]
            else:
                lines = [written_list(form, [raw for _, raw in objects])]
    write_lines(lines)


@contextmanager
def follower(question: Question) -> Iterator[Show]:
    """Return how to show changes as they come."""
    if question.form not in ("", "wide"):
        yield _documents(question)
    elif sys.stdout.isatty():
        from hub.cli.live import live

        with live(question.selection.kinds, lambda listed: _tables(question, listed)) as screen:
            yield lambda kind, batch: screen.show(kind, [(one, _is_shown(question, one)) for one in batch])
    else:
        yield _lines(question)


def _tables(question: Question, listed: Listed) -> list[str]:
    """Return one table for each kind that has objects, an empty line between them."""
    lines: list[str] = []
    now = datetime.now(UTC)
    for kind, objects in listed:
        if not objects:
            continue
        layout, table = _table(question, kind)
        rows = [layout.row(kind, raw, now) for raw in _sorted(objects)]
        table.fit(rows)
        lines += [""] if lines else []
        lines += table.title() if question.header else []
        lines += [line for row in rows for line in table.lines(row)]
    return lines


def _table(question: Question, kind: Kind) -> tuple[Layout, Table]:
    several = len(question.selection.kinds) > 1
    layout = Layout(
        everywhere=question.everywhere, prefixed=several, wide=question.form == "wide", source=question.source
    )
    return layout, Table(layout.header(kind), terminal_width(), colourful(sys.stdout))


def rendered(question: Question, objects: Sequence[dict[str, Any]]) -> str:
    """Return what the template says: about the one object that was named, or about the list."""
    from hub.cli.jsonpath import render

    is_one = len(question.selection.names) == 1 and len(objects) == 1
    return render(question.template, objects[0] if is_one else {"kind": "List", "items": list(objects)})


def rendered_one(question: Question, raw: dict[str, Any]) -> str:
    """Return what the template says about one object."""
    from hub.cli.jsonpath import render

    return render(question.template, raw)


def _sorted(objects: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(objects, key=lambda raw: (raw["metadata"].get("namespace", ""), raw["metadata"]["name"]))


def _documents(question: Question) -> Show:
    """One document for each change; a deleted object has none."""

    def show(kind: Kind, batch: Sequence[Change]) -> None:
        for change in batch:
            if _is_shown(question, change):
                mark = ["---"] if question.form == "yaml" else []
                form: Any = question.form
                one = rendered_one(question, change.object) if form == "jsonpath" else None
                write_lines([*mark, one if one is not None else written(form, kind, change.object)])

    return show


def _lines(question: Question) -> Show:
    """One row for each change that shows in the table, below the rows before."""
    tables: dict[str, tuple[Layout, Table]] = {}
    last: dict[tuple[str, str, str], list[str]] = {}

    def show(kind: Kind, batch: Sequence[Change]) -> None:
        now = datetime.now(UTC)
        rows = []
        is_first = kind.name not in tables
        layout, table = tables.setdefault(kind.name, _table(question, kind))
        for change in batch:
            meta = change.object["metadata"]
            identity = (kind.name, meta.get("namespace", ""), meta["name"])
            row = layout.row(kind, change.object, now)
            if change.what == "deleted":
                rows += [[*row[:-1], "deleted"]] if identity in last else []
                last.pop(identity, None)
            elif _is_shown(question, change) and last.get(identity) != row:
                last[identity] = row
                rows.append(row)
        table.fit(rows)
        lines = table.title() if is_first and question.header else []
        lines += [line for row in rows for line in table.lines(row)]
        write_lines(lines)

    return show


def _is_shown(question: Question, change: Change) -> bool:
    return change.what != "deleted" and question.wants(change.object)
