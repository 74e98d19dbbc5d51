"""``hubctl rollback``: go back to an older revision, and stay there until something changes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from hub.cli.command import ExampleCommand, words_argument
from hub.cli.consent import require_consent, yes_option
from hub.cli.durations import TIMEOUT
from hub.cli.scope import Scope, connect, scope_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.api.helm import HelmRelease
    from hub.cli.say import Say
    from hub.cli.scope import Cluster
    from hub.release.hold import Hold
    from hub.release.storage import StoredRelease

_GOOD = frozenset({"deployed", "superseded"})


@click.command(
    cls=ExampleCommand,
    examples=(
        ("rollback hr web", "Back to the last good revision before this one; asks first."),
        ("rollback hr web --to 3 --yes", "Back to revision 3; 'hubctl history hr web' lists them."),
        ("reconcile hr web --force", "Give the rollback up: release what is desired."),
    ),
)
@words_argument("hr NAME")
@click.option("--to", type=click.IntRange(min=1), metavar="REVISION", help="Default: the last good one before this.")
@yes_option()
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until the hub has done it.")
@click.option("--timeout", type=TIMEOUT, default="5m", show_default=True, help="Longest wait.")
@scope_options()
def rollback(words: tuple[str, ...], scope: Scope, *, to: int | None, sure: bool, wait: bool, timeout: float) -> None:
    """
    Go back to an older revision, until the next change.

    The hub rolls back with Helm and leaves it so while chart, values and spec are as they are now. The next change of
    one of them is released as ever; so is 'hubctl reconcile hr NAME --force'.
    """
    from hub.cli.releases import named

    asyncio.run(_rollback(scope, named(words), to, timeout if wait else None, sure=sure))


async def _rollback(scope: Scope, name: str, to: int | None, timeout: float | None, *, sure: bool) -> None:
    from hub.cli.releases import load, member_name, member_of, reaching, revisions, where
    from hub.cli.say import Say

    say = Say()
    async with connect(scope) as cluster:
        release = await load(cluster, name)
        _require_awake(release)
        async with reaching(cluster) as pool, say.busy(f"asking member {member_name(release)}"):
            stored = await revisions(await member_of(pool, release), where(release))
        goal = _goal(release, stored, to)
        latest, member = stored[0], member_name(release)
        way = f"from revision {latest.version} ({latest.chart}) to {goal.version} ({goal.chart}) on member {member}"
        if not sure:
            require_consent("this rolls back", [f"HelmRelease {release.metadata.namespace}/{name}: {way}"])
        say.action(f"rolling HelmRelease {name} back {way}")
        await _ask(cluster, release, _hold(release, goal.version, latest.version), say, timeout)


def _hold(release: HelmRelease, to: int, after: int) -> Hold:
    from hub.release.hold import Hold
    from hub.release.inputs import inputs_of

    status = release.status
    return Hold(to, after, inputs_of(release, status.last_attempted_revision, status.last_attempted_config_digest))


async def _ask(cluster: Cluster, release: HelmRelease, hold: Hold, say: Say, timeout: float | None) -> None:
    from hub.api.helm import ROLLBACK
    from hub.api.meta import REQUESTED_AT
    from hub.cli.failures import Failed
    from hub.cli.reconcile import request_time
    from hub.cli.waiting import Wait

    name, now = release.metadata.name, request_time()
    annotations = {ROLLBACK: hold.dump(), REQUESTED_AT: now}
    await cluster.client.patch(release.KIND.api, name, cluster.namespace, {"metadata": {"annotations": annotations}})
    if timeout is None:
        say.success(f"HelmRelease {name} annotated; the hub rolls it back and keeps it so until the next change")
        return
    say.waiting(f"waiting for HelmRelease {name}")
    done = await Wait(cluster, release.KIND, name, say, request=now).until_ready(timeout)
    ready = done.status.condition("Ready")
    if ready is None or ready.reason != "RollbackSucceeded":
        raise Failed(f"HelmRelease {name} changed meanwhile, so it was not rolled back: {ready and ready.message}")
    say.success(f"HelmRelease {name} is revision {hold.to} again, and stays so until chart, values or spec change")


def _require_awake(release: HelmRelease) -> None:
    from hub.cli.failures import Failed
    from hub.cli.objects import require_there

    name, namespace = release.metadata.name, release.metadata.namespace
    require_there(release)
    if release.spec.suspend:
        raise Failed(
            f"HelmRelease {namespace}/{name} is suspended; 'hubctl resume hr {name} -n {namespace} --no-wait' first"
        )
    if not release.status.last_attempted_revision:
        raise Failed(f"HelmRelease {namespace}/{name} was never released; 'hubctl why hr {name}' tells why")


def _goal(release: HelmRelease, stored: Sequence[StoredRelease], to: int | None) -> StoredRelease:
    """
    Return the revision to go back to.

    Raises:
        Failed: There is none; the message lists what there is.
    """
    from hub.cli.failures import Failed

    what = f"HelmRelease {release.metadata.namespace}/{release.metadata.name}"
    older = [one for one in stored[1:] if (to is None and one.status in _GOOD) or one.version == to]
    if older:
        return older[0]
    if to is not None and stored and to == stored[0].version:
        raise Failed(f"{what} is at revision {to} already")
    kept = ", ".join(str(one.version) for one in stored[1:]) or "none"
    wanted = f"has no revision {to} any more" if to is not None else "has no good revision to go back to"
    raise Failed(f"{what} {wanted}; older ones that Helm keeps (spec.maxHistory): {kept}")
