"""``hubctl dev``: a hub and members on this machine, for trying out and for tests."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from hub.cli.command import ExampleCommand
from hub.cli.lazy import SuggestingGroup
from hub.errors import HubError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from hub.dev.cluster import Health
    from hub.dev.progress import Progress

T = TypeVar("T")

_DIR = click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".hub"),
    show_default=True,
    help="Folder of kubeconfigs, data and logs.",
)
_KIND_IS_UNTESTED = "kind is a thin alternative that the tests of this project do not cover"


@click.group(cls=SuggestingGroup)
def dev() -> None:
    """Run real clusters on this machine: one hub, some members."""


@dev.command(
    cls=ExampleCommand, examples=(("dev up --members 5", "A hub and five members; what is there already stays."),)
)
@click.option(
    "--members", type=click.IntRange(0, 50), default=2, show_default=True, help="How many members beside the hub."
)
@_DIR
@click.option(
    "--provider",
    type=click.Choice(["auto", "embedded", "kind"]),
    default="auto",
    show_default=True,
    help="embedded: real API servers as processes, simulated nodes. kind: Kubernetes in docker (untested). "
    "auto: embedded, unless only kind is possible.",
)
def up(members: int, folder: Path, provider: str) -> None:
    """
    Bring up a hub and its members, or what is missing of them.

    Writes DIR/hub.kubeconfig, DIR/member1.kubeconfig and so on. The first time, tools may have to be built: minutes.
    """
    _run(_up(folder, members, provider))


@dev.command(cls=ExampleCommand, examples=(("dev status --dir /tmp/clusters", "Of clusters in another folder."),))
@_DIR
def status(folder: Path) -> None:
    """Show how the clusters are; exit code 0 when all are up."""
    if not _run(_status(folder)):
        raise SystemExit(1)


@dev.command(
    cls=ExampleCommand,
    examples=(("dev down", "They come back as they were with the next up."), ("dev down --delete", "Nothing is left.")),
)
@_DIR
@click.option("--delete", is_flag=True, help="Remove their data, logs and kubeconfigs too.")
def down(folder: Path, *, delete: bool) -> None:
    """End the clusters' processes; their data is kept for the next up."""
    _run(_down(folder, delete=delete))


def _run(work: Coroutine[None, None, T]) -> T:
    """Run to the end; an error of ours is one message and exit code 1."""
    try:
        return asyncio.run(work)
    except (HubError, OSError) as error:
        _progress().failed(str(error))
        raise SystemExit(1) from None


def _progress() -> Progress:
    from hub.dev.progress import Progress

    return Progress(lambda line: click.echo(line, err=True))


async def _up(folder: Path, members: int, provider: str) -> None:
    from hub.dev import kind
    from hub.dev.binaries import BinariesMissing
    from hub.dev.environment import Environment

    progress = _progress()
    if provider != "kind":
        environment = Environment(folder, progress=progress)
        try:
            await environment.up(members)
        except BinariesMissing:
            if provider == "embedded" or not await kind.usable():
                raise
        else:
            progress.done(f"try: export KUBECONFIG={environment.hub.kubeconfig} PATH={environment.bin}:$PATH")
            return
    progress.begin(_KIND_IS_UNTESTED)
    await kind.KindEnvironment(folder, progress).up(members)


async def _status(folder: Path) -> bool:
    from hub.dev.environment import Environment
    from hub.dev.kind import KindEnvironment

    by_kind = KindEnvironment(folder, _progress())
    if by_kind.used:
        names = await by_kind.names()
        click.echo("\n".join(f"{name} (kind)" for name in names))
        return bool(names)
    healths = await Environment(folder).status()
    if not healths:
        click.echo(f"no clusters in {folder}; make some: hubctl dev up --dir {folder}", err=True)
        return False
    rows = [("NAME", "STATUS", "SERVER"), *((name, _word(health), health.server) for name, health in healths.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        click.echo("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return all(health.healthy for health in healths.values())


def _word(health: Health) -> str:
    dead = [part for part, pid in health.pids.items() if pid is None]
    if health.healthy:
        return "up"
    if len(dead) == len(health.pids):
        return "down"
    return f"not running: {', '.join(dead)}" if dead else f"not ready: {health.answer}"


async def _down(folder: Path, *, delete: bool) -> None:
    from hub.dev.environment import Environment
    from hub.dev.kind import KindEnvironment

    progress = _progress()
    by_kind = KindEnvironment(folder, progress)
    if by_kind.used and not delete:
        progress.failed("kind's clusters cannot be stopped and kept; --delete deletes them")
        raise SystemExit(1)
    ended = await by_kind.delete() if by_kind.used else []
    ended += await Environment(folder, progress=progress).down(delete=delete)
    progress.done(f"{'deleted' if delete else 'ended'} {', '.join(ended) or 'nothing: none was up'}")


if __name__ == "__main__":
    dev()
