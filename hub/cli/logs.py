"""``hubctl logs``: what the hub, or Flux's controllers, wrote about objects."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from hub.cli.command import ExampleCommand
from hub.cli.durations import TIMEOUT
from hub.cli.scope import Cluster, Scope, connect, scope_options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_PLACES = (("hub-system", "app.kubernetes.io/name=hub"), ("flux-system", "app.kubernetes.io/part-of=flux"))
_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines: of these kinds and names, at least so severe, of one namespace (None: of all)."""

    kind: str = ""
    name: str = ""
    level: str = ""
    namespace: str | None = None

    def shows(self, line: dict[str, Any]) -> bool:
        """Whether a line is asked for."""
        kind, namespace, name = about(line)
        return (
            (not self.kind or kind.lower() == self.kind.lower())
            and (not self.name or name == self.name)
            and (self.namespace is None or namespace == self.namespace)
            and (not self.level or severity(line) >= _LEVELS.index(self.level))
        )


@click.command(
    cls=ExampleCommand,
    examples=(
        ("logs -A --level error", "What went wrong, of everything."),
        ("logs --kind HelmRelease --name web -f", "About one release, as it is written."),
        ("logs --hub-namespace flux-system -A", "Of Flux's controllers."),
    ),
)
@click.option("--kind", default="", help="Only about objects of this kind.")
@click.option("--name", default="", help="Only about objects of this name.")
@click.option("--level", type=click.Choice(_LEVELS), default=None, help="Only lines at least so severe.")
@click.option("--since", type=TIMEOUT, default=None, help="Only lines that are not older, e.g. 10m.")
@click.option("--tail", type=click.IntRange(min=0), default=None, help="Only so many of the last lines of each Pod.")
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines, until interrupted.")
@click.option(
    "--hub-namespace", metavar="NS", default=None, help="Where the Pods are. Default: hub-system, flux-system."
)
@scope_options(everywhere=True)
def logs(
    scope: Scope,
    *,
    kind: str,
    name: str,
    level: str | None,
    since: float | None,
    tail: int | None,
    follow: bool,
    hub_namespace: str | None,
) -> None:
    """Show what the hub, or Flux's controllers, wrote about objects."""
    query = {
        "follow": "true" if follow else None,
        "tailLines": None if tail is None else str(tail),
        "sinceTime": None if since is None else f"{datetime.now(UTC) - timedelta(seconds=since):%Y-%m-%dT%H:%M:%SZ}",
    }
    asyncio.run(_logs(scope, Wanted(kind, name, level or ""), query, hub_namespace))


async def _logs(scope: Scope, wanted: Wanted, query: dict[str, str | None], home: str | None) -> None:
    from dataclasses import replace

    from hub.cli.failures import Failed
    from hub.cli.output import write_lines

    async with connect(scope) as cluster:
        wanted = replace(wanted, namespace=cluster.namespace)
        pods = await _pods(cluster, home)
        if not pods:
            where = home or " or ".join(place for place, _ in _PLACES)
            raise Failed(f"no Pods of a hub found in {where}; --hub-namespace says where they are")

        async def one(pod: dict[str, Any]) -> None:
            async for text in _lines(cluster, pod, query):
                line = parsed(text)
                if line is not None and wanted.shows(line):
                    write_lines([shown(line)])

        async with asyncio.TaskGroup() as group:
            for pod in pods:
                group.create_task(one(pod))


async def _pods(cluster: Cluster, home: str | None) -> list[dict[str, Any]]:
    from hub.api.meta import PODS

    places = [(home or place, labels) for place, labels in _PLACES]
    listed = await asyncio.gather(*(cluster.client.list(PODS, place, labels=labels) for place, labels in places))
    return [pod for one in listed for pod in one.items]


async def _lines(cluster: Cluster, pod: dict[str, Any], query: dict[str, str | None]) -> AsyncIterator[str]:
    """Yield the lines of a Pod's first container."""
    from urllib.parse import urlencode

    from hub.api.meta import PODS
    from hub.cli.failures import Failed

    meta = pod["metadata"]
    path = PODS.path(meta["name"], meta["namespace"], "log")
    given = {"container": pod["spec"]["containers"][0]["name"], **{k: v for k, v in query.items() if v is not None}}
    async with cluster.client.raw("GET", f"{path}?{urlencode(given)}", headers={}, timeout=None) as response:
        if response.status != 200:
            text = (await response.text())[:300]
            raise Failed(f"Pod {meta['namespace']}/{meta['name']} has no logs to show: {_reason(text)}")
        rest = b""
        async for chunk in response.content.iter_any():
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield line.decode(errors="replace")
        if rest:
            yield rest.decode(errors="replace")


def _reason(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text or "no reason given"


def parsed(text: str) -> dict[str, Any] | None:
    """Read a line: JSON, or the hub's text form; None for one that is about no object and is not JSON."""
    try:
        line = json.loads(text)
    except ValueError:
        return _parsed_text(text)
    return line if isinstance(line, dict) else None


def _parsed_text(text: str) -> dict[str, Any] | None:
    words = text.split(" ", 3)
    if len(words) < 4 or words[1] not in _LEVELS or words[2].count("/") != 2:
        return None
    kind, namespace, name = words[2].split("/")
    return {"ts": words[0], "level": words[1], "kind": kind, "namespace": namespace, "name": name, "msg": words[3]}


def about(line: dict[str, Any]) -> tuple[str, str, str]:
    """Return kind, namespace and name of the object that a line is about; Flux has the kind as ``controllerKind``."""
    kind = str(line.get("kind") or line.get("controllerKind") or "")
    return kind, str(line.get("namespace") or ""), str(line.get("name") or "")


def severity(line: dict[str, Any]) -> int:
    """Return how severe a line is."""
    level = str(line.get("level", "info")).lower()
    return _LEVELS.index(level) if level in _LEVELS else 1


def shown(line: dict[str, Any]) -> str:
    """Return a line as the flux CLI prints it: time, level, object, message."""
    kind, namespace, name = about(line)
    who = f"{kind}/{name}.{namespace} - " if name else ""
    error = f": {line['error']}" if line.get("error") else ""
    return f"{line.get('ts', '')} {line.get('level', 'info')} {who}{line.get('msg', '')}{error}"
