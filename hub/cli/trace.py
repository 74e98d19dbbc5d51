"""``hubctl trace``: which release an object on some member comes from, and which commit that is made of."""

from __future__ import annotations

import asyncio
import textwrap
from typing import TYPE_CHECKING, Any

import click

from hub.cli.command import ExampleCommand, words_argument
from hub.cli.output import terminal_width
from hub.cli.scope import Cluster, Scope, connect, scope_options

if TYPE_CHECKING:
    from hub.cli.inventories import Entry
    from hub.cli.relations import Relations

_OWNERS = (
    ("helm.toolkit.fluxcd.io", "HelmRelease"),
    ("kustomize.toolkit.fluxcd.io", "Kustomization"),
)
_VALUES = 16  # where values begin
_UP = 5  # owners above an object; a Pod has a ReplicaSet and a Deployment


@click.command(
    cls=ExampleCommand,
    examples=(
        ("trace deployment web -n apps", "By its namespace on whatever member it is."),
        ("trace pod/web-5d8f7 -n apps", "On the hub's own cluster its owners are followed too."),
    ),
)
@words_argument("KIND NAME")
@click.option("--api-version", metavar="GROUP/VERSION", default="", help="Only needed when kinds share a name.")
@scope_options()
def trace(words: tuple[str, ...], scope: Scope, *, api_version: str) -> None:
    """Tell which release and commit an object comes from."""
    parts = words[0].split("/", 1) if len(words) == 1 and "/" in words[0] else list(words)
    if len(parts) != 2:
        raise click.UsageError("say KIND NAME of one object, e.g. deployment web")
    asyncio.run(_trace(scope, parts[0], parts[1], api_version))


async def _trace(scope: Scope, kind: str, name: str, api_version: str) -> None:
    from hub.cli.failures import Failed
    from hub.cli.output import write_lines
    from hub.cli.relations import Relations

    async with connect(scope) as cluster:
        relations = await Relations.around(cluster)
        owners = _in_inventories(relations, kind, name, cluster.namespace, api_version)
        if not owners:
            owners = await _by_labels(cluster, relations, kind, name, api_version)
    if not owners:
        where = f"in {cluster.where}"
        raise Failed(f"object not managed by the hub: no release or Kustomization applied {kind} '{name}' {where}")
    blocks = [block(what, raw, relations) for what, raw in owners]
    write_lines([line for number, lines in enumerate(blocks) for line in ([""] if number else []) + lines])


def _in_inventories(
    relations: Relations, kind: str, name: str, namespace: str | None, api_version: str
) -> list[tuple[str, dict[str, Any]]]:
    from hub.cli.inventories import entries

    return [
        (str(entry), raw)
        for raw in relations.objects.values()
        for entry in entries(raw)
        if _is_asked(entry, kind, name, namespace, api_version)
    ]


def _is_asked(entry: Entry, kind: str, name: str, namespace: str | None, api_version: str) -> bool:
    same_kind = kind.lower() in (entry.kind.lower(), f"{entry.kind.lower()}s")
    same_place = entry.namespace in ("", namespace or entry.namespace)
    return same_kind and entry.name == name and same_place and api_version in ("", entry.api_version)


async def _by_labels(
    cluster: Cluster, relations: Relations, kind: str, name: str, api_version: str
) -> list[tuple[str, dict[str, Any]]]:
    """Look at the object itself, and at its owners, on the hub's own cluster."""
    from hub.api.kind import Key
    from hub.cli.discover import find
    from hub.errors import NotFound
    from hub.kube.mapper import Mapper

    try:
        raw = await find(cluster.client, kind, name, cluster.namespace, api_version)
    except NotFound:
        return []
    mapper, what = Mapper(cluster.client.read), f"{raw['kind']}/{cluster.namespace}/{name}"
    for _ in range(_UP):
        labels = raw["metadata"].get("labels") or {}
        for group, owner in _OWNERS:
            key = Key(owner, labels.get(f"{group}/namespace", ""), labels.get(f"{group}/name", ""))
            if key in relations.objects:
                return [(what, relations.objects[key])]
        above = (raw["metadata"].get("ownerReferences") or [None])[0]
        if above is None:
            return []
        api = await mapper.api(above["apiVersion"], above["kind"])
        raw = await cluster.client.get(api, above["name"], raw["metadata"].get("namespace"))
    return []


def block(what: str, raw: dict[str, Any], relations: Relations) -> list[str]:
    """Return what is told about an object and the chain that it comes from."""
    from hub.cli.relations import key_of

    lines = _fields(("Object", what), ("Status", "Managed by the hub"))
    for key in [key_of(raw), *relations.chain(raw)]:
        found = relations.objects.get(key)
        lines.append("---")
        lines += (
            _described(found) if found else _fields((key.kind, f"{key.namespace}/{key.name}"), ("Status", "missing"))
        )
    return lines


def _described(raw: dict[str, Any]) -> list[str]:
    from hub.api.kinds import kind_for
    from hub.cli.rows import revision

    kind, spec, meta = kind_for(raw["apiVersion"], raw["kind"]), raw.get("spec") or {}, raw["metadata"]
    ready: dict[str, Any] = next(
        (one for one in (raw.get("status") or {}).get("conditions") or () if one.get("type") == "Ready"), {}
    )
    secret = ((spec.get("kubeConfig") or {}).get("secretRef") or {}).get("name", "")
    at = ready.get("lastTransitionTime", "")
    return _fields(
        (raw["kind"], meta["name"]),
        ("Namespace", meta.get("namespace", "")),
        ("Target", spec.get("targetNamespace", "")),
        ("Member", secret),
        ("URL", spec.get("url", "")),
        ("Path", spec.get("path", "")),
        *((key.capitalize(), str(value)) for key, value in (spec.get("ref") or {}).items()),
        ("Chart", spec["chart"] if isinstance(spec.get("chart"), str) else ""),
        ("Revision", revision(kind.model.parse(raw)) if kind else ""),
        ("Status", f"{'Last reconciled' if ready.get('status') == 'True' else 'Failed'} at {at}" if at else "Unknown"),
        ("Message", " ".join(str(ready.get("message", "")).split())),
    )


def _fields(*pairs: tuple[str, str]) -> list[str]:
    return [line for name, value in pairs if value for line in _field(name, value)]


def _field(name: str, value: str) -> list[str]:
    width = terminal_width()
    if not width:
        return [f"{f'{name}:':<{_VALUES}}{value}"]
    first, *more = textwrap.wrap(value, max(40, width - _VALUES), break_on_hyphens=False, break_long_words=False)
    return [f"{f'{name}:':<{_VALUES}}{first}", *(" " * _VALUES + line for line in more)]
