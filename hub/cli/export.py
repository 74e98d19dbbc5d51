"""``hubctl export``: objects as YAML that can be applied elsewhere."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from hub.cli.command import KindCommand, words_argument
from hub.cli.scope import Cluster, Scope, connect, scope_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hub.api.kind import Kind

_PASSING = ("reconcile.fluxcd.io/", "kubectl.kubernetes.io/last-applied", "hubctl.io/rollback")
"""Annotations that ask for something once, or are another tool's notes."""


@click.command(
    cls=KindCommand,
    examples=(
        ("export hr web", "One object, ready for 'kubectl apply'."),
        ("export source git --all --with-credentials", "All of a kind, and the Secrets that they name."),
    ),
)
@words_argument("KIND [NAME]...")
@click.option("--all", "every", is_flag=True, help="All objects of the kind in the namespace.")
@click.option("--with-credentials", is_flag=True, help="The Secrets that they name, too. They are printed readable.")
@scope_options()
def export(words: tuple[str, ...], scope: Scope, *, every: bool, with_credentials: bool) -> None:
    """Print objects as YAML, without status and book-keeping."""
    from hub.cli.kinds import one_kind

    kind, names = one_kind(words, every=every)
    asyncio.run(_export(scope, kind, names, credentials=with_credentials))


async def _export(scope: Scope, kind: Kind, names: tuple[str, ...], *, credentials: bool) -> None:
    from hub.cli.failures import Failed
    from hub.cli.objects import read
    from hub.cli.output import write_lines

    async with connect(scope) as cluster:
        if names:
            objects = [await read(cluster, kind, name) for name in names]
        else:
            objects = (await cluster.client.list(kind.api, cluster.namespace)).items
        if not objects:
            raise Failed(f"no {kind.name} objects found in {cluster.where}")
        documents = [exported(raw) for raw in objects]
        if credentials:
            documents += await _secrets(cluster, objects)
    write_lines([line for document in documents for line in ("---", _yaml(document))])


def exported(raw: dict[str, Any]) -> dict[str, Any]:
    """Return of an object what people write."""
    meta = raw["metadata"]
    annotations = {k: v for k, v in (meta.get("annotations") or {}).items() if not k.startswith(_PASSING)}
    kept = {"name": meta["name"], "namespace": meta.get("namespace")}
    kept |= {"labels": meta.get("labels"), "annotations": annotations}
    body: dict[str, Any] = {key: raw[key] for key in ("type", "spec", "data") if key in raw}
    return {
        "apiVersion": raw["apiVersion"],
        "kind": raw["kind"],
        "metadata": {k: v for k, v in kept.items() if v},
        **body,
    }


async def _secrets(cluster: Cluster, objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    from hub.api.meta import SECRETS
    from hub.cli.failures import Failed
    from hub.errors import NotFound

    names = sorted({name for raw in objects for name in _named(raw.get("spec"))})
    found = []
    for name in names:
        try:
            found.append(exported(await cluster.client.get(SECRETS, name, cluster.namespace)))
        except NotFound as error:
            raise Failed(f"Secret '{name}' not found in {cluster.where}; leave --with-credentials away") from error
    return found


def _named(node: Any) -> Iterator[str]:
    """Yield the names below any ``...secretRef``."""
    if isinstance(node, list):
        for one in node:
            yield from _named(one)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key.lower().endswith("secretref") and isinstance(value, dict) and value.get("name"):
                yield str(value["name"])
            yield from _named(value)


def _yaml(document: dict[str, Any]) -> str:
    from hub.cli.document import text

    return text("yaml", document)
