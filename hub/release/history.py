"""
``status.history``: snapshots of the revisions that this object made, newest first. Pure.

A snapshot's digests tell later whether the revision in Helm's storage is still the one we made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.api.helm import Snapshot, TestHook
from hub.api.meta import parse_time, rfc3339

if TYPE_CHECKING:
    from hub.api.helm import Test
    from hub.release.storage import StoredRelease

_KEPT = 5
_MOST = 30  # snapshots of half a kilobyte each
_GOOD = frozenset({"deployed", "superseded"})


def snapshot(stored: StoredRelease, action: str = "", oci_digest: str = "") -> Snapshot:
    """Return the snapshot of a stored revision; ``action`` is the word of what made it."""
    return Snapshot(
        api_version="v2",
        digest=stored.digest_with(oci_digest),
        name=stored.name,
        namespace=stored.namespace,
        version=stored.version,
        status=stored.status,
        action=action,
        chart_name=stored.chart_name,
        chart_version=stored.chart_version,
        app_version=stored.app_version,
        config_digest=stored.config_digest,
        first_deployed=_time(stored.info.get("first_deployed")),
        last_deployed=_time(stored.info.get("last_deployed")),
        deleted=_time(stored.info.get("deleted")) or None,
        oci_digest=oci_digest,
    )


def record(
    snapshots: list[Snapshot],
    stored: StoredRelease,
    action: str = "",
    *,
    oci_digest: str | None = None,
    before: StoredRelease | None = None,
) -> list[Snapshot]:
    """
    Return the history with one revision added or brought up to date.

    ``oci_digest`` is that of the chart's artifact in a registry; None is what was recorded before (Flux HelmRelease
    facts 25 and 61).

    An older snapshot that says ``deployed`` is superseded once a newer revision is deployed, as in Helm's storage; its
    digest follows when ``before``, the revision it was taken of, is at hand.
    """
    known = next((one for one in snapshots if _same(one, stored)), None)
    if oci_digest is None:
        oci_digest = known.oci_digest if known else ""
    new = snapshot(stored, action or (known.action if known else ""), oci_digest)
    if known is not None and known.test_hooks is not None:
        new.test_hooks = known.test_hooks
    others = [one for one in snapshots if not _same(one, stored)]
    if stored.status == "deployed":
        others = [_superseded(one, before) if one.status == "deployed" else one for one in others]
    return _bounded(sorted([new, *others], key=lambda one: one.version, reverse=True))


def _bounded(snapshots: list[Snapshot]) -> list[Snapshot]:
    """Return no more than a status may hold: a release that fails again and again is truncated only when it settles."""
    kept, older = snapshots[:_MOST], snapshots[_MOST:]
    target = previous(snapshots, ignore_tests=False) or previous(snapshots, ignore_tests=True)
    return [*kept[:-1], target] if target in older else kept


def previous(snapshots: list[Snapshot], *, ignore_tests: bool) -> Snapshot | None:
    """Return the snapshot that a rollback would go back to: the newest good one before the latest."""
    for one in snapshots[1:]:
        if one.status in _GOOD and (ignore_tests or not has_failed_test(one)):
            return one
    return None


def truncated(snapshots: list[Snapshot], *, ignore_tests: bool) -> list[Snapshot]:
    """Return what is worth keeping: up to the rollback target, else the newest five."""
    target = previous(snapshots, ignore_tests=ignore_tests)
    if target is None:
        return snapshots[:_KEPT]
    return snapshots[: snapshots.index(target) + 1]


def was_tested(one: Snapshot) -> bool:
    """Whether Helm tests ran to an end for this revision: none exist, one failed, or all succeeded."""
    if one.test_hooks is None:
        return False
    phases = [hook.phase for hook in one.test_hooks.values()]
    return not phases or "Failed" in phases or all(phase == "Succeeded" for phase in phases)


def has_failed_test(one: Snapshot) -> bool:
    """Whether a test hook of this revision failed."""
    return any(hook.phase == "Failed" for hook in (one.test_hooks or {}).values())


def tests_of(stored: StoredRelease, spec: Test | None) -> dict[str, TestHook]:
    """Return what Helm recorded about the test hooks of a revision, without those that ``spec.test`` leaves out."""
    found = {}
    for hook in stored.hooks:
        if "test" in (hook.get("events") or []) and _chosen(str(hook["name"]), spec):
            run: dict[str, Any] = hook.get("last_run") or {}
            found[str(hook["name"])] = TestHook(
                last_started=_time(run.get("started_at")),
                last_completed=_time(run.get("completed_at")),
                phase=run.get("phase") or "",
            )
    return found


def _chosen(name: str, spec: Test | None) -> bool:
    """Whether the filters let a test run, as helm reads them."""
    filters = spec.filters if spec else []
    only = {one.name for one in filters if not one.exclude}
    return name not in {one.name for one in filters if one.exclude} and (not only or name in only)


def _same(one: Snapshot, stored: StoredRelease) -> bool:
    return (one.name, one.namespace, one.version) == (stored.name, stored.namespace, stored.version)


def uninstalled(snapshots: list[Snapshot], stored: StoredRelease) -> list[Snapshot]:
    """Return the history after a remediation removed the revision, and its record, from the member."""
    gone = {"status": "uninstalled", "action": "uninstall-remediation"}
    return [one.model_copy(update=gone) if _same(one, stored) else one for one in snapshots]


def _superseded(one: Snapshot, before: StoredRelease | None) -> Snapshot:
    update = {"status": "superseded"}
    if before is not None and _same(one, before):
        update["digest"] = before.digest_as("superseded", one.oci_digest)
    return one.model_copy(update=update)


def revision_of(one: Snapshot) -> str:
    """``<namespace>/<release>.v<N>``, as messages name a revision."""
    return f"{one.namespace}/{one.name}.v{one.version}"


def chart_of(one: Snapshot) -> str:
    """``<chart>@<version>``, as messages name a chart."""
    return f"{one.chart_name}@{one.chart_version}"


def _time(text: object) -> str:
    """Helm's nanosecond timestamps become Kubernetes' whole seconds in UTC; its zero time becomes the empty text."""
    if not isinstance(text, str) or not text or text.startswith("0001-"):
        return ""
    return rfc3339(parse_time(text))
