"""``hubctl tree``: what an object applied, or what is made from a source, as a tree."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from hub.cli.command import KindCommand, words_argument
from hub.cli.output import form_option
from hub.cli.scope import Scope, connect, scope_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hub.api.kind import Kind
    from hub.cli.relations import Relations


@dataclass(slots=True)
class Node:
    """An object and what is below it; ``note`` says what is wrong with it."""

    kind: str
    namespace: str
    name: str
    group: str = ""
    note: str = ""
    below: list[Node] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """Yield the tree as text."""
        title = "/".join(part for part in (self.kind, self.namespace, self.name) if part)
        yield f"{title} ({self.note})" if self.note else title
        for number, node in enumerate(self.below, 1):
            first, rest = ("└── ", "    ") if number == len(self.below) else ("├── ", "│   ")
            for count, line in enumerate(node.lines()):
                yield f"{rest if count else first}{line}"

    def dump(self) -> dict[str, Any]:
        """Return the tree as data."""
        resource = {"group": self.group, "kind": self.kind, "namespace": self.namespace, "name": self.name}
        note = {"note": self.note} if self.note else {}
        return {"resource": resource, **note, "resources": [node.dump() for node in self.below]}


@click.command(
    cls=KindCommand,
    examples=(
        ("tree hr web", "The objects of a release on its member."),
        ("tree source git charts", "The charts and releases that are made from a repository."),
        ("tree hr web -o json", "For programs."),
    ),
)
@words_argument("KIND NAME")
@form_option
@scope_options()
def tree(words: tuple[str, ...], scope: Scope, *, form: str) -> None:
    """Show what an object applied, or what is made from a source."""
    from hub.cli.kinds import one_kind

    kind, names = one_kind(words)
    if len(names) > 1:
        raise click.UsageError(f"one {kind.name} at a time; what is '{names[1]}'?")
    asyncio.run(_tree(scope, kind, names[0], form))


async def _tree(scope: Scope, kind: Kind, name: str, form: str) -> None:
    from hub.cli.objects import read
    from hub.cli.output import write_document, write_lines
    from hub.cli.relations import Relations

    async with connect(scope) as cluster:
        raw = await read(cluster, kind, name)
        relations = await Relations.around(cluster)
    found = node_of(raw, relations)
    if form == "table":
        write_lines(list(found.lines()))
    else:
        write_document(form, found.dump())


def node_of(raw: dict[str, Any], relations: Relations, seen: frozenset[str] = frozenset()) -> Node:
    """Return the tree below an object; what was seen on the way up is not gone into again."""
    from hub.api.kind import Key
    from hub.cli.inventories import entries
    from hub.cli.relations import key_of

    key = key_of(raw)
    node = Node(key.kind, key.namespace, key.name, raw["apiVersion"].partition("/")[0], _note(raw))
    if str(key) in seen:
        return node
    above = seen | {str(key)}
    for entry in entries(raw):
        inner = Key(entry.kind, entry.namespace, entry.name)
        if inner in relations.objects and inner != key and not _leaves(raw):
            node.below.append(node_of(relations.objects[inner], relations, above))
        else:
            node.below.append(Node(entry.kind, entry.namespace, entry.name, entry.group))
    if not (raw.get("status") or {}).get("inventory"):
        made = relations.made_from(*key)
        node.below += [node_of(relations.objects[one], relations, above) for one in made]
    return node


def _leaves(raw: dict[str, Any]) -> bool:
    """Whether what an object applied is on another cluster, so that equal names mean nothing."""
    return bool((raw.get("spec") or {}).get("kubeConfig"))


def _note(raw: dict[str, Any]) -> str:
    from hub.cli.selector import StatusSelector

    if (raw.get("spec") or {}).get("suspend"):
        return "suspended"
    if StatusSelector("Ready", "False").matches(raw):
        conditions = raw["status"]["conditions"]
        return f"not ready: {next(one['reason'] for one in conditions if one['type'] == 'Ready')}"
    return ""
