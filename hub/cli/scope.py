"""
Which cluster, and which of its namespaces: the options that every verb shares.

They may stand before the verb or after it; the one after it wins.
"""

from __future__ import annotations

import functools
import os
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
        user: Whom to act as; None stands for oneself.
        groups: Of which to act as a member.
    """

    namespace: str | None = None
    everywhere: bool = False
    kubeconfig: str | None = None
    context: str | None = None
    user: str | None = None
    groups: tuple[str, ...] = ()


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
    Open the API server that a scope names. On a terminal a spinner says so while it is slow.

    Raises:
        BadKubeconfig: There is no usable kubeconfig.
    """
    from hub import __version__
    from hub.kube.light import lighten

    lighten()
    from hub.cli.negotiation import NegotiatingClient
    from hub.cli.spinner import spinner_of
    from hub.kube.config import load_kubeconfig

    config = load_kubeconfig(scope.kubeconfig, scope.context)
    namespace = None if scope.everywhere else scope.namespace or config.namespace or "default"
    agent = f"hubctl/{__version__}"
    client = NegotiatingClient(config, name="hub", user_agent=agent, impersonate=scope.user, groups=scope.groups)
    try:
        async with spinner_of().over(f"asking {config.address}"):
            yield Cluster(client, namespace)
    finally:
        await client.aclose()


def _plain(_: click.Context, __: click.Parameter, asked: bool) -> None:  # noqa: FBT001  # click's signature
    """Say it as the environment can say it, which is where everybody looks."""
    if asked:
        os.environ["NO_COLOR"] = "1"


_OPTIONS = (
    click.option("-n", "--namespace", metavar="NS", help="Namespace. Default: that of the kubeconfig's context."),
    click.option(
        "--kubeconfig", metavar="FILE", help="Kubeconfig of the hub. Default: KUBECONFIG, else ~/.kube/config."
    ),
    click.option("--context", "kube_context", metavar="NAME", help="Context in the kubeconfig. Default: its current."),
    click.option("--as", "as_user", metavar="USER", help="Act as this user."),
    click.option("--as-group", "as_groups", metavar="GROUP", multiple=True, help="And as a member of this group."),
    click.option("--no-color", is_flag=True, expose_value=False, is_eager=True, callback=_plain, help="No colours."),
)
_EVERYWHERE = click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="All namespaces.")


def group_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to the program itself; they are kept until the verb reads them."""

    @functools.wraps(command)
    def keep(**more: Any) -> Any:
        click.get_current_context().meta[_ON_THE_GROUP] = _taken(more, Scope())
        return command(**more)

    return _with(_OPTIONS, keep)


def scope_options(*, everywhere: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the options to a verb, which gets them as the argument ``scope``; ``everywhere`` adds ``-A``."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def gather(**more: Any) -> Any:
            before: Scope = click.get_current_context().meta.get(_ON_THE_GROUP, Scope())
            scope = _taken(more, before)
            if scope.groups and not scope.user:
                raise click.UsageError("--as-group needs --as")
            return command(scope=scope, **more)

        return _with((*_OPTIONS, _EVERYWHERE) if everywhere else _OPTIONS, gather)

    return decorate


def _taken(given: dict[str, Any], before: Scope) -> Scope:
    """Take the options out of what click found; those before the verb fill the gaps."""
    return Scope(
        namespace=given.pop("namespace") or before.namespace,
        everywhere=given.pop("everywhere", False),
        kubeconfig=given.pop("kubeconfig") or before.kubeconfig,
        context=given.pop("kube_context") or before.context,
        user=given.pop("as_user") or before.user,
        groups=given.pop("as_groups") or before.groups,
    )


def _with(options: tuple[Callable[..., Any], ...], command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command
