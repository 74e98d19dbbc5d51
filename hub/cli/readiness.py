"""
How far an object is on its way to what was asked of it. Pure.

It follows the rules that tools know from kstatus (Stalled, Reconciling, observedGeneration, Ready), with one addition:
an attempt that failed and is tried again later counts as failed, so that people learn it now.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from hub.api.meta import READY, RECONCILING, STALLED
from hub.api.repositories import HelmRepository

if TYPE_CHECKING:
    from hub.api.meta import Resource

RETRYING = "ProgressingWithRetry"
PREREQUISITES = frozenset({"DependencyNotReady", "SourceNotReady", "NoSourceArtifact", "ArtifactFailed"})
"""Reasons of Ready=False that pass by themselves when another object gets ready."""


class Stage(StrEnum):
    """Where an object stands."""

    UNSEEN = "not picked up yet"
    WORKING = "in progress"
    READY = "ready"
    FAILED = "failed"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Progress:
    """A stage, and the object's own words about it."""

    stage: Stage
    message: str


def progress(resource: Resource, request: str = "") -> Progress:
    """
    Tell where an object stands.

    Args:
        resource: The object.
        request: Value of the annotation ``requestedAt`` that must have been acted on; the empty word asks for none.
    """
    status, ready = resource.status, resource.status.condition(READY)
    message = ready.message if ready else ""
    if is_data(resource):
        return Progress(Stage.READY, message)
    if resource.spec.suspend:
        return Progress(Stage.SUSPENDED, message)
    reconciling, stalled = status.condition(RECONCILING), status.condition(STALLED)
    is_running = reconciling is not None and reconciling.status == "True" and reconciling.reason != RETRYING
    if is_running and reconciling is not None:
        return Progress(Stage.WORKING, reconciling.message)
    if request and not _is_handled(resource, request):
        return Progress(Stage.UNSEEN, message)
    is_current = status.observed_generation == resource.metadata.generation
    if stalled is not None and stalled.status == "True" and is_current:
        return Progress(Stage.FAILED, message or stalled.message)
    if ready is not None and ready.status == "False":
        waits = ready.reason in PREREQUISITES
        retries = reconciling is not None and reconciling.status == "True"
        if waits or not (is_current or retries):
            return Progress(Stage.WORKING, message)
        return Progress(Stage.FAILED, message)
    if ready is not None and ready.status == "True" and is_current and reconciling is None:
        return Progress(Stage.READY, message)
    return Progress(Stage.WORKING if is_current else Stage.UNSEEN, message)


def is_data(resource: Resource) -> bool:
    """Whether nobody ever writes a status: a HelmRepository of type oci, whose charts ask the registry."""
    return isinstance(resource, HelmRepository) and resource.is_oci


def _is_handled(resource: Resource, request: str) -> bool:
    """Ours, or one that somebody asked for after us: an annotation has only room for the last."""
    return resource.status.last_handled_reconcile_at in {request, resource.requested_at or request}
