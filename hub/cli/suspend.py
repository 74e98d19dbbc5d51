"""``hubctl suspend`` and ``hubctl resume``: whether the hub acts on objects."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from hub.cli.command import KindCommand, words_argument
from hub.cli.durations import TIMEOUT
from hub.cli.scope import Cluster, Scope, connect, scope_options

if TYPE_CHECKING:
    from hub.api.kind import Kind
    from hub.cli.say import Say


@dataclass(frozen=True, slots=True)
class Order:
    """
    What shall be.

    Attributes:
        suspend: Leave the objects alone, or not.
        every: All objects of the namespace.
        timeout: Seconds to wait for one object that was resumed; None does not wait.
    """

    suspend: bool
    every: bool
    timeout: float | None = None


_EVERY = click.option("--all", "every", is_flag=True, help="All objects of the kind in the namespace.")


@click.command(
    cls=KindCommand,
    examples=(
        ("suspend hr web", "Until 'hubctl resume hr web'."),
        ("suspend source git --all", "What is there stays, nothing new comes."),
    ),
)
@words_argument("KIND NAME...")
@_EVERY
@scope_options()
def suspend(words: tuple[str, ...], scope: Scope, *, every: bool) -> None:
    """
    Let the hub leave objects alone.

    Nothing is removed; what already runs is not stopped.
    """
    _order(words, scope, Order(suspend=True, every=every))


@click.command(
    cls=KindCommand,
    examples=(("resume hr web", "And wait until it is ready."), ("resume hr --all --no-wait", "All of the namespace.")),
)
@words_argument("KIND NAME...")
@_EVERY
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until the objects are ready.")
@click.option("--timeout", type=TIMEOUT, default="5m", show_default=True, help="Longest wait for one object.")
@scope_options()
def resume(words: tuple[str, ...], scope: Scope, *, every: bool, wait: bool, timeout: float) -> None:
    """Let the hub take care of suspended objects again."""
    _order(words, scope, Order(suspend=False, every=every, timeout=timeout if wait else None))


def _order(words: tuple[str, ...], scope: Scope, order: Order) -> None:
    from hub.cli.columns import NEVER_SUSPENDED
    from hub.cli.kinds import one_kind

    kind, names = one_kind(words, every=order.every)
    if kind.name in NEVER_SUSPENDED:
        raise click.UsageError(f"a {kind.name} cannot be suspended: nobody works on it")
    asyncio.run(_all(scope, kind, names, order))


async def _all(scope: Scope, kind: Kind, names: tuple[str, ...], order: Order) -> None:
    from hub.cli.failures import Failed
    from hub.cli.objects import names_of, require_namespace
    from hub.cli.outcome import gathered
    from hub.cli.say import Say

    say = Say()
    async with connect(scope) as cluster:
        if order.every:
            names = tuple(await names_of(cluster, kind))
            if not names:
                await require_namespace(cluster)
                raise Failed(f"no {kind.name} objects found in {cluster.where}")
        await gathered(say, [_one(cluster, kind, name, order, say) for name in names])


async def _one(cluster: Cluster, kind: Kind, name: str, order: Order, say: Say) -> None:
    from hub.cli.objects import read, require_there
    from hub.cli.rows import revision
    from hub.cli.waiting import Wait

    require_there(kind.model.parse(await read(cluster, kind, name)))
    verb, done = ("suspending", "suspended") if order.suspend else ("resuming", "resumed")
    say.action(f"{verb} {kind.name} {name} in {cluster.namespace} namespace")
    await cluster.client.patch(kind.api, name, cluster.namespace, {"spec": {"suspend": order.suspend}})
    say.success(f"{kind.name} {name} {done}")
    if order.timeout is not None:
        say.waiting(f"waiting for {kind.name} {name}")
        resource = await Wait(cluster, kind, name, say).until_ready(order.timeout)
        say.success(f"{kind.name} {name} is ready, revision {revision(resource)}")
