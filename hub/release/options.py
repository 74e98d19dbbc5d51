"""Which options of helm a HelmRelease asks for, with Flux's defaults. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.api.helm import Install, Rollback, Test, Uninstall, Upgrade
from hub.api.meta import Duration
from hub.release.helm_options import (
    InstallOptions,
    RollbackOptions,
    ServerSide,
    TestOptions,
    UninstallOptions,
    UpgradeOptions,
    Wait,
)
from hub.release.plan import Action
from hub.release.postrender import PLUGIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hub.api.helm import HelmRelease

_DEFAULT_TIMEOUT = Duration("5m0s")
_DEFAULT_HISTORY = 5


def timeout_of(release: HelmRelease, action: Action) -> Duration:
    """Return the action's own timeout, else the release's, else five minutes."""
    spec = release.spec
    blocks = {
        Action.INSTALL: spec.install,
        Action.UPGRADE: spec.upgrade,
        Action.ROLLBACK: spec.rollback,
        Action.REVERT: spec.rollback,
        Action.UNINSTALL: spec.uninstall,
        Action.TEST: spec.test,
    }
    block = blocks.get(action)
    chosen = (block.timeout if block else None) or spec.timeout or _DEFAULT_TIMEOUT
    return Duration.from_seconds(chosen.seconds)


def waits(release: HelmRelease, action: Action) -> bool:
    """Whether an install or upgrade waits for its objects, by the rules that know expressions."""
    block = release.spec.install if action is Action.INSTALL else release.spec.upgrade
    return _wait(release, disabled=bool(block and block.disable_wait)) is Wait.WATCHER


def install(release: HelmRelease, labels: Mapping[str, str], renderer: Sequence[str] = ()) -> InstallOptions:
    """Return the options of ``helm install``; ``renderer`` is what the post-renderer is told, if there is one."""
    block = release.spec.install or Install()
    return InstallOptions(
        **_of_chart(release, Action.INSTALL, block, labels, renderer),
        server_side=ServerSide.FALSE if block.server_side_apply is False else ServerSide.TRUE,
        replace=block.replace,
        skip_crds=True,  # hub.release.crds brings them, on upgrades too
    )


def upgrade(
    release: HelmRelease, labels: Mapping[str, str], renderer: Sequence[str] = (), *, was_server_side: bool
) -> UpgradeOptions:
    """Return the options of ``helm upgrade``; arguments as in :func:`install`."""
    block = release.spec.upgrade or Upgrade()
    return UpgradeOptions(
        **_of_chart(release, Action.UPGRADE, block, labels, renderer),
        server_side=_server_side(block.server_side_apply, was_server_side=was_server_side),
        force_replace=block.force,
        history_max=_history(release),
        reuse_values=block.preserve_values,
        cleanup_on_fail=block.cleanup_on_fail,
    )


def rollback(release: HelmRelease, *, was_server_side: bool) -> RollbackOptions:
    """Return the options of ``helm rollback``."""
    block = release.spec.rollback or Rollback()
    return RollbackOptions(
        timeout=timeout_of(release, Action.ROLLBACK).seconds,
        wait=_wait(release, disabled=block.disable_wait),
        wait_for_jobs=not block.disable_wait_for_jobs,
        hooks=not block.disable_hooks,
        server_side=_server_side(block.server_side_apply, was_server_side=was_server_side),
        force_replace=block.force,
        history_max=_history(release),
        cleanup_on_fail=block.cleanup_on_fail,
    )


def uninstall(release: HelmRelease) -> UninstallOptions:
    """Return the options of ``helm uninstall``."""
    block = release.spec.uninstall or Uninstall()
    return UninstallOptions(
        timeout=timeout_of(release, Action.UNINSTALL).seconds,
        wait=_wait(release, disabled=block.disable_wait),
        hooks=not block.disable_hooks,
        cascade=block.deletion_propagation,
        keep_history=block.keep_history,
        ignore_not_found=True,
    )


def test(release: HelmRelease) -> TestOptions:
    """Return the options of ``helm test``."""
    block = release.spec.test or Test()
    return TestOptions(
        timeout=timeout_of(release, Action.TEST).seconds,
        only=[one.name for one in block.filters if not one.exclude],
        exclude=[one.name for one in block.filters if one.exclude],
    )


def _of_chart(
    release: HelmRelease, action: Action, block: Install | Upgrade, labels: Mapping[str, str], renderer: Sequence[str]
) -> dict[str, Any]:
    """Return what install and upgrade are told alike."""
    return {
        "timeout": timeout_of(release, action).seconds,
        "wait": _wait(release, disabled=block.disable_wait),
        "wait_for_jobs": not block.disable_wait_for_jobs,
        "hooks": not block.disable_hooks,
        "labels": labels,
        "openapi_validation": not block.disable_open_api_validation,
        "schema_validation": not block.disable_schema_validation,
        "take_ownership": not block.disable_take_ownership,
        "post_renderer": PLUGIN if renderer else "",
        "post_renderer_args": renderer,
    }


def _wait(release: HelmRelease, *, disabled: bool) -> Wait:
    if disabled:
        return Wait.HOOKS
    strategy = release.spec.wait_strategy
    return Wait.LEGACY if strategy and strategy.name == "legacy" else Wait.WATCHER


def _server_side(asked: str | None, *, was_server_side: bool) -> ServerSide:
    """``auto`` goes on as the last revision was applied; said outright, so that helm need not look again."""
    if asked in (None, "auto"):
        return ServerSide.TRUE if was_server_side else ServerSide.FALSE
    return ServerSide.TRUE if asked == "enabled" else ServerSide.FALSE


def _history(release: HelmRelease) -> int:
    return _DEFAULT_HISTORY if release.spec.max_history is None else release.spec.max_history
