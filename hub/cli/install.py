"""``hubctl install``: the hub on a host cluster, installed or brought up to date."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from hub.cli.command import ExampleCommand
from hub.cli.durations import TIMEOUT
from hub.cli.install_chart import NAMESPACE, Wishes, namespace_of, values_options
from hub.cli.scope import Scope, scope_options

if TYPE_CHECKING:
    from pathlib import Path

_LABELS = {"pod-security.kubernetes.io/enforce": "restricted"}


@click.command(
    cls=ExampleCommand,
    examples=(
        ("install", "In the namespace hub-system."),
        ("install --set replicas=3 -f values.yaml", "With values of the chart."),
        ("install --export > hub.yaml", "For whoever applies it."),
    ),
)
@scope_options()
@values_options
@click.option("--export", is_flag=True, help="Print what would be applied, and apply nothing.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until the replicas are ready.")
@click.option("--timeout", type=TIMEOUT, default="5m", show_default=True, help="Longest wait.")
def install(
    scope: Scope, *, files: tuple[Path, ...], pairs: tuple[str, ...], export: bool, wait: bool, timeout: float
) -> None:
    """
    Install the hub, or upgrade it to the version of this program.

    It goes to the namespace hub-system unless -n says another. Objects and definitions that are there stay and are
    taken over. The values are those of the chart: charts/hub/values.yaml.
    """
    wishes = Wishes(files, pairs, timeout if wait else None)
    asyncio.run(_export(scope, wishes) if export else run(scope, wishes))


async def _export(scope: Scope, wishes: Wishes) -> None:
    import yaml

    from hub.cli.install_chart import render, write

    text = await render(scope, wishes)
    write(f"{yaml.safe_dump(_namespace(scope), sort_keys=False)}{text}")


async def run(scope: Scope, wishes: Wishes) -> None:
    """Install the hub and say so. Raises ``Failed``."""
    from hub import __version__
    from hub.api.meta import NAMESPACES
    from hub.cli.install_chart import upgrade
    from hub.cli.say import Say
    from hub.cli.scope import connect
    from hub.errors import NotFound

    say, namespace = Say(), namespace_of(scope)
    async with connect(scope) as cluster:
        try:
            await cluster.client.get(NAMESPACES, namespace)
        except NotFound:
            await cluster.client.apply(NAMESPACES, _namespace(scope))
            say.success(f"namespace {namespace} created")
    say.action(f"installing hub {__version__} in namespace {namespace}")
    await upgrade(scope, wishes)
    say.success("hub installed" if wishes.timeout is None else "hub installed, its replicas are ready")


def _namespace(scope: Scope) -> dict[str, object]:
    name = namespace_of(scope) or NAMESPACE
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(_LABELS)}}
