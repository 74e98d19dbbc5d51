"""
The actions: each is one run of helm through the member's gateway, with the options that the HelmRelease asks for.

Whether a run succeeded is not decided here: the loop believes what Helm stored. An action raises ``ToolFailed`` when
helm said no, and ``MemberUnreachable`` when the member did not answer, whatever helm made of that.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from hub.api.appliers import CommonMetadata
from hub.api.meta import NAMESPACES
from hub.errors import Conflict, ToolFailed, Transient
from hub.members.gateway import QUIET, RunPolicy
from hub.release import crds, messages, options, remediation
from hub.release.chart import OWNER_NAME, OWNER_NAMESPACE
from hub.release.drift import Stamp
from hub.release.helm import Run
from hub.release.plan import Action
from hub.release.postrender import COMBINED
from hub.release.storage import ATTEMPT_LABEL, OWNER_LABEL, REVISION_LABEL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator

    from hub.api.helm import HelmRelease
    from hub.content.fetch import ArtifactReader
    from hub.kube.client import Client
    from hub.members.gateway import Gateway, Session
    from hub.members.member import Member
    from hub.members.slots import Turn
    from hub.release.helm import Helm
    from hub.release.loop import Request
    from hub.release.names import Target
    from hub.release.postrender import PostRenderers, Rendering
    from hub.release.storage import StoredRelease
    from hub.runtime.events import Recorder


PATCHES_IDLE = "PatchesIdle"
"""Condition that is there, and True, while patches of post-renderers select nothing."""

_LOST_FOR = 10.0  # seconds; an API server that is merely restarted is back by then, and helm goes on waiting
_LOOK = 0.5
"""Seconds between two looks whether a run that only waits is still wanted."""


class Superseded(Exception):
    """The run was stopped because its result is not wanted any more; says what is newer."""


@dataclass(frozen=True, slots=True)
class Actions:
    """Runs helm for releases on one member."""

    helm: Helm
    gateway: Gateway
    renderers: PostRenderers
    artifacts: ArtifactReader
    recorder: Recorder
    member: Member
    turn: Turn | None = None

    @asynccontextmanager
    async def in_turn(self) -> AsyncIterator[Actions]:
        """
        Wait for the right to write to the member, and yield the actions that hold it.

        Reading needs no turn: a member that hangs keeps none that way.
        """
        async with self.member.turn() as turn:
            yield replace(self, turn=turn)

    async def prepare(self, request: Request) -> None:
        """
        Bring the chart here, before a turn is taken: whoever serves it may take their time, or be gone.

        Raises:
            Transient, Waiting: As :meth:`ArtifactReader.open`.
        """
        await self.artifacts.open(request.artifact)

    async def run(self, action: Action, request: Request, stored: StoredRelease | None) -> None:
        """
        Run one action to its end.

        Raises:
            ToolFailed: Helm said no.
            MemberUnreachable: The member did not answer; nothing is known about what helm did.
        """
        release, target = request.release, request.target
        was_server_side = stored is None or stored.server_side
        if action in (Action.INSTALL, Action.UPGRADE):
            await self._release(action, request, stored, was_server_side=was_server_side)
            return
        async with self._run(release, target, force=_forced(release, action)) as run:
            match action:
                case Action.ROLLBACK:
                    chosen = options.rollback(release, was_server_side=was_server_side)
                    await self.helm.rollback(run, _rollback_version(release), chosen)
                case Action.REVERT if request.desired.hold is not None:
                    chosen = options.rollback(release, was_server_side=was_server_side)
                    await self.helm.rollback(run, request.desired.hold.to, chosen)
                case Action.UNINSTALL:
                    await self.helm.uninstall(run, options.uninstall(release))
                case Action.TEST:
                    await self.helm.test(run, options.test(release))
                case _:
                    raise ValueError(f"'{action}' is not an action of helm")

    async def _release(
        self, action: Action, request: Request, stored: StoredRelease | None, *, was_server_side: bool
    ) -> None:
        """Bring namespaces and definitions to the member, then the release."""
        release, target = request.release, request.target
        labels = {
            ATTEMPT_LABEL: request.desired.attempt,
            OWNER_LABEL: request.desired.owner,
            REVISION_LABEL: str(stored.version + 1 if stored else 1),
        }
        chart = await self.artifacts.open(request.artifact)
        if action is Action.INSTALL:
            await self._create_namespaces(release, target)
        await crds.apply(chart, _crds_policy(release, action), stamp_of(release).labels, self.member)
        strategy = release.spec.post_render_strategy or COMBINED
        with (
            self.renderers.session(release.spec.post_renderers, strategy) as rendering,
            self._telling(request, rendering),
        ):
            async with self._session(release, target, force=_forced(release, action)) as (session, run):
                if action is Action.INSTALL:
                    chosen = options.install(release, labels, rendering.arguments)
                    helm = self.helm.install(run, chart, request.values, chosen)
                else:
                    upgrade = options.upgrade(release, labels, rendering.arguments, was_server_side=was_server_side)
                    helm = self.helm.upgrade(run, chart, request.values, upgrade)
                await _unless_superseded(helm, session, request.superseded)

    async def uninstall(self, release: HelmRelease, target: Target) -> None:
        """Uninstall a release from where it was. Raises as :meth:`run`."""
        async with self._run(release, target, force=False) as run:
            await self.helm.uninstall(run, options.uninstall(release))

    @asynccontextmanager
    async def _run(self, release: HelmRelease, target: Target, *, force: bool) -> AsyncIterator[Run]:
        """Open the way to the member for one helm process."""
        async with self._session(release, target, force=force) as (_, run):
            yield run

    @asynccontextmanager
    async def _session(
        self, release: HelmRelease, target: Target, *, force: bool
    ) -> AsyncIterator[tuple[Session, Run]]:
        """Open the way to the member, and tell what happened on it."""
        stamp = stamp_of(release)
        policy = RunPolicy(
            release_namespace=target.namespace,
            storage_namespace=target.storage_namespace,
            labels=stamp.labels,
            annotations=stamp.annotations,
            force=force,
        )
        async with self.gateway.session(self.member, policy, turn=self.turn) as session:
            try:
                async with _while_reachable(self.member):
                    yield session, Run(session.kubeconfig, target.name, target.namespace, session.redact)
            except ToolFailed as error:
                if session.unreachable is not None:
                    raise session.unreachable from error
                raise
            finally:
                self._tell_replaced(release, target, session.replaced)

    def _tell_replaced(self, release: HelmRelease, target: Target, replaced: Iterable[str]) -> None:
        """Name each object that a force deleted and made anew: whoever watches it should know why it was gone."""
        for name in replaced:
            text = f"Replaced {name} of release {target}: the member refused to change an immutable field"
            self.recorder.normal(release, "ObjectReplaced", text)

    @contextmanager
    def _telling(self, request: Request, rendering: Rendering) -> Iterator[None]:
        """Name the patches that had nothing to do: no error for kustomize, and seldom what was meant."""
        try:
            yield
        finally:
            request.attempt.conditions.delete(PATCHES_IDLE)
            if rendering.idle:
                words = messages.idle_patches(rendering.idle)
                request.attempt.conditions.mark(PATCHES_IDLE, "True", *words)
                self.recorder.warning(request.release, *words)

    async def _create_namespaces(self, release: HelmRelease, target: Target) -> None:
        """Create the target namespace and the storage namespace, when the release may."""
        install = release.spec.install
        if not (install and install.create_namespace and release.spec.target_namespace):
            return
        for name in dict.fromkeys((target.namespace, target.storage_namespace)):
            with suppress(Conflict):  # it exists
                await self.member.call(partial(_create_namespace, name=name))


async def _unless_superseded(
    helm: Coroutine[Any, Any, object], session: Session, superseded: Callable[[], str]
) -> None:
    """
    Run helm to its end, but not longer than anybody wants its result.

    A run that only waits for objects to become ready is stopped when the release is to become something else; one that
    still writes is not disturbed.

    Raises:
        Superseded: It was stopped.
    """
    running = asyncio.ensure_future(helm)
    watching = asyncio.ensure_future(_superseded(session, superseded))
    try:
        await asyncio.wait({running, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            raise Superseded(watching.result())
        await running
    finally:
        watching.cancel()
        running.cancel()
        await asyncio.gather(running, watching, return_exceptions=True)


async def _superseded(session: Session, superseded: Callable[[], str]) -> str:
    while True:
        await session.idle(QUIET)
        if cause := superseded():
            return cause
        await asyncio.sleep(_LOOK)


@asynccontextmanager
async def _while_reachable(member: Member) -> AsyncIterator[None]:
    """
    End the body when the member is lost and stays so: a helm that waits would go on until its timeout.

    Raises:
        MemberUnreachable: It was ended.
    """
    loop = asyncio.get_running_loop()

    async def watch() -> None:
        seen_well = loop.time()
        while loop.time() - seen_well < _LOST_FOR:
            await asyncio.sleep(_LOST_FOR / 4)
            if not member.lost:
                seen_well = loop.time()
        limit.reschedule(loop.time())

    watching = loop.create_task(watch())
    try:
        async with asyncio.timeout(None) as limit:
            yield
    except TimeoutError as error:
        if limit.expired():
            raise member.breaker.error() from error
        raise
    finally:
        watching.cancel()


async def _create_namespace(client: Client, *, name: str) -> None:
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def stamp_of(release: HelmRelease) -> Stamp:
    """Return what every object of a release gets; the labels that name the release win."""
    common = release.spec.common_metadata or CommonMetadata()
    owner = {OWNER_NAME: release.metadata.name, OWNER_NAMESPACE: release.metadata.namespace}
    return Stamp(common.labels | owner, common.annotations)


def _crds_policy(release: HelmRelease, action: Action) -> str | None:
    block = release.spec.install if action is Action.INSTALL else release.spec.upgrade
    return block.crds if block else None


def _forced(release: HelmRelease, action: Action) -> bool:
    match action:
        case Action.UPGRADE:
            return bool(release.spec.upgrade and release.spec.upgrade.force)
        case Action.ROLLBACK | Action.REVERT:
            return bool(release.spec.rollback and release.spec.rollback.force)
        case _:
            return False


def _rollback_version(release: HelmRelease) -> int:
    goal = remediation.rollback_target(release)
    if goal is None:
        raise Transient("RollbackFailed", "missing target release for rollback")
    return goal.version
