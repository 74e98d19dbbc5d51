"""
Which cluster, and which of its namespaces: the options that every verb shares.

They may stand before the verb or after it; the one after it wins.
"""

from __future__ import annotations

import functools
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from hub.kube.client import Client

_ON_THE_GROUP = "hub.cli.scope"


@dataclass(frozen=True, slots=True)
class Scope:
    """
    What the options say.

    Attributes:
        namespace: None stands for that of the kubeconfig's context.
        everywhere: All namespaces; wins over ``namespace``.
        kubeconfig: Path of a kubeconfig; None finds one as kubectl does.
        context: Name of a context in it; None stands for the current one.
    """

    namespace: str | None = None
    everywhere: bool = False
    kubeconfig: str | None = None
    context: str | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """The API server that a command talks to. ``namespace`` is None for all of them."""

    client: Client = field(repr=False)
    namespace: str | None

    @property
    def where(self) -> str:
        """The namespace as messages name it."""
        return f'"{self.namespace}" namespace' if self.namespace else "any namespace"


@asynccontextmanager
async def connect(scope: Scope) -> AsyncIterator[Cluster]:
    """
    Open the API server that a scope names.

    Raises:
        BadKubeconfig: There is no usable kubeconfig.
    """
    from hub import __version__
    from hub.kube.client import Client
    from hub.kube.config import load_kubeconfig

    config = load_kubeconfig(scope.kubeconfig, scope.context)
    namespace = None if scope.everywhere else scope.namespace or config.namespace or "default"
    client = Client(config, name="hub", user_agent=f"hubctl/{__version__}")
    try:
        yield Cluster(client, namespace)
    finally:
        await client.aclose()


_OPTIONS = (
    click.option("-n", "--namespace", metavar="NS", help="Namespace. Default: that of the kubeconfig's context."),
    click.option(
        "--kubeconfig", metavar="FILE", help="Kubeconfig of the hub. Default: KUBECONFIG, else ~/.kube/config."
    ),
    click.option("--context", "kube_context", metavar="NAME", help="Context in the kubeconfig. Default: its current."),
)
_EVERYWHERE = click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="All namespaces.")


def group_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to the program itself; they are kept until the verb reads them."""

    @functools.wraps(command)
    def keep(namespace: str | None, kubeconfig: str | None, kube_context: str | None, **more: Any) -> Any:
        click.get_current_context().meta[_ON_THE_GROUP] = Scope(
            namespace=namespace, kubeconfig=kubeconfig, context=kube_context
        )
        return command(**more)

    return _with(_OPTIONS, keep)


def scope_options(*, everywhere: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the options to a verb, which gets them as the argument ``scope``; ``everywhere`` adds ``-A``."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def gather(namespace: str | None, kubeconfig: str | None, kube_context: str | None, **more: Any) -> Any:
            before: Scope = click.get_current_context().meta.get(_ON_THE_GROUP, Scope())
            scope = Scope(
                namespace=namespace or before.namespace,
                everywhere=more.pop("everywhere", False),
                kubeconfig=kubeconfig or before.kubeconfig,
                context=kube_context or before.context,
            )
            return command(scope=scope, **more)

        return _with((*_OPTIONS, _EVERYWHERE) if everywhere else _OPTIONS, gather)

    return decorate


def _with(options: tuple[Callable[..., Any], ...], command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command
