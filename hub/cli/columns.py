"""
Which columns the table of a kind has between NAME and READY. Pure.

A kind that is not named here shows the revision of its artifact, so a new one needs nothing; one with other news needs
one entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Shown(NamedTuple):
    """A column: its title, and where in the object its value is."""

    title: str
    path: str


_REVISION = (Shown("REVISION", "status.artifact.revision"),)

COLUMNS: Mapping[str, tuple[Shown, ...]] = {
    "HelmRelease": (Shown("REVISION", "status.history.0.chartVersion|status.lastAttemptedRevision"),),
    "Kustomization": (Shown("REVISION", "status.lastAppliedRevision"),),
    "ExternalArtifact": (
        *_REVISION,
        Shown("SOURCE", "spec.sourceRef.kind+spec.sourceRef.namespace+spec.sourceRef.name"),
    ),
    "ImageRepository": (
        Shown("LAST SCAN", "status.lastScanResult.scanTime"),
        Shown("TAGS", "status.lastScanResult.tagCount"),
    ),
    "ImagePolicy": (Shown("IMAGE", "status.latestRef.name"), Shown("TAG", "status.latestRef.tag")),
    "ImageUpdateAutomation": (Shown("LAST RUN", "status.lastAutomationRunTime"),),
    "Alert": (),
    "Provider": (),
    "Receiver": (),
    "ArtifactGenerator": (),
    "Member": (Shown("VERSION", "status.version"), Shown("RELEASES", "status.releases.ready+status.releases.total")),
}

ALWAYS_READY: Mapping[str, str] = {"Alert": "Alert is Ready", "Provider": "Provider is Ready"}
"""Kinds that have no status in their newest version, and what is said instead."""

NEVER_SUSPENDED = frozenset({"ExternalArtifact", "Provider"})
"""Kinds that nobody works on, so that there is nothing to leave alone."""

SOURCE = Shown("SOURCE", "")


def columns_of(kind: str) -> tuple[Shown, ...]:
    """Return the columns of a kind."""
    return COLUMNS.get(kind, _REVISION)


def value(raw: Mapping[str, Any], path: str) -> str:
    """Return what is at a path: the first of several (``|``), or several joined by slashes (``+``)."""
    for choice in path.split("|"):
        found = [_at(raw, one) for one in choice.split("+")]
        if text := "/".join(one for one in found if one):
            return text
    return ""


def source_of(raw: Mapping[str, Any]) -> str:
    """Return ``<Kind>/<namespace>/<name>`` of what an object is made from; empty when it does not say."""
    spec = raw.get("spec") or {}
    chart = (spec.get("chart") or {}).get("spec") if isinstance(spec.get("chart"), dict) else None
    ref = (chart or {}).get("sourceRef") or spec.get("chartRef") or spec.get("sourceRef")
    if not isinstance(ref, dict):
        return ""
    return f"{ref.get('kind', '')}/{ref.get('namespace') or raw['metadata'].get('namespace', '')}/{ref.get('name', '')}"


def _at(raw: Any, path: str) -> str:
    for step in path.split("."):
        if isinstance(raw, dict):
            raw = raw.get(step)
        elif isinstance(raw, list) and step.isdigit():
            raw = raw[int(step)] if int(step) < len(raw) else None
        else:
            return ""
    return "" if raw is None else str(raw)
