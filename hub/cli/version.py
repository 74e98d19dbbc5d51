"""``hubctl version``: of this program, of the hub's cluster and of what runs there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from hub.cli.command import ExampleCommand
from hub.cli.output import form_option
from hub.cli.scope import Cluster, Scope, connect, scope_options

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARTS = ("app.kubernetes.io/part-of=flux", "app.kubernetes.io/name=hub")
"""Labels by which Flux's controllers and the hub are found."""


@click.command(
    cls=ExampleCommand,
    examples=(
        ("version", "Of hubctl, of the cluster, of the hub and of Flux if they are there."),
        ("version --client -o json", "Of hubctl alone, for programs."),
    ),
)
@form_option
@click.option("--client", "only_client", is_flag=True, help="Ask no cluster.")
@scope_options()
def version(scope: Scope, *, form: str, only_client: bool) -> None:
    """Tell the versions of this program and of the hub."""
    from hub import __version__
    from hub.cli.output import write_document, write_lines

    found = {"hubctl": f"v{__version__}"}
    if not only_client:
        found |= asyncio.run(_server(scope))
    if form == "table":
        write_lines([f"{name}: {text}" for name, text in found.items()])
    else:
        write_document(form, found)


async def _server(scope: Scope) -> dict[str, str]:
    async with connect(scope) as cluster:
        about, parts = await asyncio.gather(cluster.client.read("/version"), _parts(cluster))
    return {"kubernetes": str(about.get("gitVersion", "unknown")), **parts}


async def _parts(cluster: Cluster) -> dict[str, str]:
    """Return the images of the controllers that we may see."""
    from hub.api.meta import DEPLOYMENTS
    from hub.errors import Forbidden

    try:
        listed = await asyncio.gather(*(cluster.client.list(DEPLOYMENTS, None, labels=one) for one in _PARTS))
    except Forbidden:
        return {}
    return {raw["metadata"]["name"]: image_version(raw) for one in listed for raw in one.items}


def image_version(deployment: Mapping[str, Any]) -> str:
    """Return the tag of a Deployment's first image."""
    image = str(deployment["spec"]["template"]["spec"]["containers"][0]["image"]).partition("@")[0]
    _, colon, tag = image.rpartition("/")[2].partition(":")
    return tag if colon else "unknown"
