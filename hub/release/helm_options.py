"""
What each action of helm can be told, as words of its command line. Pure.

These are the options of a HelmRelease that the helm 4 command line can express.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Wait(StrEnum):
    """What helm waits for before it calls a release deployed or gone."""

    WATCHER = "watcher"  # until every object is ready, told by watches
    LEGACY = "legacy"  # the same, polled by Helm 3's rules
    HOOKS = "hookOnly"


class ServerSide(StrEnum):
    """Who merges the objects. ``AUTO`` is how the last revision was made, and costs the client-side validation."""

    TRUE = "true"
    FALSE = "false"
    AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionOptions:
    """
    What every action that changes a member can be told.

    Attributes:
        timeout: Seconds that helm waits for any single hook, or for all objects.
        description: Stored with the revision.
    """

    timeout: float = 300.0
    wait: Wait = Wait.WATCHER
    hooks: bool = True
    description: str = ""

    def flags(self) -> list[str]:
        """Return the flags of the command line."""
        return [
            f"--timeout={round(self.timeout * 1000)}ms",
            f"--wait={self.wait}",
            *_flags({"--no-hooks": not self.hooks}),
            *([f"--description={self.description}"] if self.description else []),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _WriteOptions(ActionOptions):
    """
    Install, upgrade and rollback.

    Attributes:
        server_side: Conflicts with other writers are always forced when it is ``TRUE``, as Flux does.
        force_replace: Replace objects instead of patching them; helm allows it client-side only.
    """

    wait_for_jobs: bool = True
    server_side: ServerSide = ServerSide.TRUE
    force_replace: bool = False

    def flags(self) -> list[str]:
        return [
            *ActionOptions.flags(self),
            *_flags({
                "--wait-for-jobs": self.wait_for_jobs and self.wait is not Wait.HOOKS,
                "--force-conflicts": self.server_side is ServerSide.TRUE,
                "--force-replace": self.force_replace and self.server_side is ServerSide.FALSE,
            }),
        ]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _ChartOptions(_WriteOptions):
    """
    Install and upgrade.

    Attributes:
        labels: Put on the storage Secret of the revision.
        openapi_validation: Validate client-side, unless the API server does it anyway.
        schema_validation: Check the values against the chart's ``values.schema.json``.
        take_ownership: Adopt objects that exist already and belong to no release or to another one.
        post_renderer: Name of the plugin that changes the manifests; empty for none.
        post_renderer_args: What it is told.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    openapi_validation: bool = True
    schema_validation: bool = True
    take_ownership: bool = False
    post_renderer: str = ""
    post_renderer_args: Sequence[str] = ()

    def flags(self) -> list[str]:
        validated_by_server = self.server_side is ServerSide.TRUE
        return [
            *_WriteOptions.flags(self),
            *_flags({
                "--disable-openapi-validation": validated_by_server or not self.openapi_validation,
                "--skip-schema-validation": not self.schema_validation,
                "--take-ownership": self.take_ownership,
                "--hide-notes": True,
            }),
            *([f"--post-renderer={self.post_renderer}"] if self.post_renderer else []),
            *(f"--post-renderer-args={one}" for one in self.post_renderer_args),
            *([f"--labels={','.join(f'{k}={v}' for k, v in self.labels.items())}"] if self.labels else []),
        ]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallOptions(_ChartOptions):
    """
    ``helm install``.

    Attributes:
        replace: Reuse the name of an uninstalled release whose history was kept.
        skip_crds: Leave out the chart's ``crds/``; otherwise those that are missing are created.
    """

    replace: bool = False
    skip_crds: bool = False

    def flags(self) -> list[str]:
        """Return the flags of the command line."""
        server_side = "false" if self.server_side is ServerSide.FALSE else "true"  # nothing to look back to
        return [
            *_ChartOptions.flags(self),
            f"--server-side={server_side}",
            *_flags({"--replace": self.replace, "--skip-crds": self.skip_crds}),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeOptions(_ChartOptions):
    """
    ``helm upgrade``.

    Attributes:
        history_max: Revisions that stay stored; 0 for all.
        reuse_values: Merge the values into those of the last revision instead of into the chart's.
        cleanup_on_fail: Delete objects that are new in this revision when it fails.
    """

    history_max: int = 5
    reuse_values: bool = False
    cleanup_on_fail: bool = False

    def flags(self) -> list[str]:
        """Return the flags of the command line."""
        return [
            *_ChartOptions.flags(self),
            f"--server-side={self.server_side}",
            f"--history-max={self.history_max}",
            "--reuse-values" if self.reuse_values else "--reset-values",
            *_flags({"--cleanup-on-fail": self.cleanup_on_fail}),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackOptions(_WriteOptions):
    """``helm rollback``; attributes as in :class:`UpgradeOptions`."""

    history_max: int = 5
    cleanup_on_fail: bool = False

    def flags(self) -> list[str]:
        """Return the flags of the command line."""
        return [
            *_WriteOptions.flags(self),
            f"--server-side={self.server_side}",
            f"--history-max={self.history_max}",
            *_flags({"--cleanup-on-fail": self.cleanup_on_fail}),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class UninstallOptions(ActionOptions):
    """
    ``helm uninstall``.

    Attributes:
        cascade: ``background``, ``foreground`` or ``orphan``.
        keep_history: Mark the release as uninstalled instead of forgetting it.
        ignore_not_found: A release that is not stored counts as uninstalled.
    """

    cascade: str = "background"
    keep_history: bool = False
    ignore_not_found: bool = False

    def flags(self) -> list[str]:
        """Return the flags of the command line."""
        return [
            *ActionOptions.flags(self),
            f"--cascade={self.cascade}",
            *_flags({"--keep-history": self.keep_history, "--ignore-not-found": self.ignore_not_found}),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class TestOptions:
    """
    ``helm test``.

    Attributes:
        timeout: Seconds for any single test.
        only: Names of the tests to run; empty for all.
        exclude: Names of the tests to leave out.
    """

    __test__ = False  # not a test case, whatever pytest makes of the name

    timeout: float = 300.0
    only: Sequence[str] = ()
    exclude: Sequence[str] = ()

    def flags(self) -> list[str]:
        """Return the flags of the command line."""
        filters = [*(f"name={name}" for name in self.only), *(f"!name={name}" for name in self.exclude)]
        return [f"--timeout={round(self.timeout * 1000)}ms", *(f"--filter={one}" for one in filters)]


def _flags(chosen: Mapping[str, bool]) -> list[str]:
    return [flag for flag, on in chosen.items() if on]
