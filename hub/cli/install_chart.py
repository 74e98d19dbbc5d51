"""The chart that travels with this program, and helm run on the host cluster with it."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from hub.cli.failures import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hub.cli.scope import Scope

RELEASE: Final = "hub"
NAMESPACE: Final = "hub-system"


@dataclass(frozen=True, slots=True)
class Wishes:
    """
    What people say about an installation.

    Attributes:
        files: Values files, in order.
        pairs: ``key=value``, stronger than the files.
        timeout: Seconds until the replicas have to be ready; None does not wait.
    """

    files: tuple[Path, ...] = ()
    pairs: tuple[str, ...] = ()
    timeout: float | None = 300.0

    def flags(self) -> list[str]:
        """Return helm's flags for the values."""
        return [*(f"--values={file}" for file in self.files), *(f"--set={pair}" for pair in self.pairs)]


def values_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--values`` and ``--set``."""
    command = click.option(
        "--set", "pairs", multiple=True, metavar="KEY=VALUE", help="One value, e.g. replicas=3. Repeatable."
    )(command)
    return click.option(
        "--values",
        "-f",
        "files",
        multiple=True,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="File with values of the chart. Repeatable; the last one wins.",
    )(command)


def namespace_of(scope: Scope) -> str:
    """Return the namespace of the hub: there is one place for it, whatever the context says."""
    return scope.namespace or NAMESPACE


async def render(scope: Scope, wishes: Wishes) -> str:
    """Return the objects of the chart as YAML documents. Raises ``Failed``."""
    argv = ["template", RELEASE, str(_chart()), f"--namespace={namespace_of(scope)}", *wishes.flags()]
    return (await _helm(argv)).replace("\r\n", "\n")


async def upgrade(scope: Scope, wishes: Wishes) -> None:
    """
    Install the hub, or make the one that is there like this program's chart. Raises ``Failed``.

    Definitions that somebody else installed, Flux for one, are taken over with every field.
    """
    argv = [
        "upgrade", RELEASE, str(_chart()), "--install", "--take-ownership", "--server-side=true", "--force-conflicts",
        *_where(scope), *wishes.flags(),
    ]  # fmt: skip
    if wishes.timeout is not None:
        argv += ["--wait", f"--timeout={wishes.timeout:.0f}s"]
    await _helm(argv)


async def uninstall(scope: Scope, timeout: float) -> None:
    """Remove the release; its definitions, and so everybody's objects, stay. Raises ``Failed``."""
    await _helm(["uninstall", RELEASE, *_where(scope), "--wait", "--ignore-not-found", f"--timeout={timeout:.0f}s"])


async def _helm(argv: Sequence[str]) -> str:
    from hub.cli.spinner import spinner_of
    from hub.release.helm import Helm

    with tempfile.TemporaryDirectory(prefix="hubctl-helm-") as home:
        found = await Helm.find(Path(home))
        process = await asyncio.create_subprocess_exec(
            found.executable,
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "HELM_CACHE_HOME": home, "HELM_CONFIG_HOME": home, "HELM_DATA_HOME": home},
        )
        try:
            async with spinner_of().over(f"waiting for helm {argv[0]}"):
                out, err = await process.communicate()
        except asyncio.CancelledError:
            process.terminate()
            await process.wait()
            raise
    if process.returncode:
        lines = [line for line in err.decode(errors="replace").splitlines() if "symbolic link" not in line]
        raise Failed(f"helm {argv[0]}: {' '.join(' '.join(lines).removeprefix('Error: ').split())}")
    return out.decode(errors="replace")


def _where(scope: Scope) -> list[str]:
    flags = [f"--namespace={namespace_of(scope)}"]
    if scope.kubeconfig:
        flags.append(f"--kubeconfig={scope.kubeconfig}")
    if scope.context:
        flags.append(f"--kube-context={scope.context}")
    return flags


def _chart() -> Path:
    from hub.dev.resources import resource

    try:
        return resource("charts") / "hub"
    except FileNotFoundError as error:
        raise Failed(str(error)) from error


def write(text: str) -> None:
    """Write data to stdout."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
