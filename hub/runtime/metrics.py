"""
What Prometheus is told: Flux's metrics under Flux's names, and how the hub itself is.

How objects are is read from the cache at every scrape, so nothing has to be counted along. A replica tells of the
objects that it works on; of each object one replica tells. Packages above declare metrics of their own on
prometheus_client's default registry.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from hub import __version__
from hub.api.registry import KINDS
from hub.runtime.cache import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client import Metric

    from hub.api.meta import Condition, Key, Resource
    from hub.runtime.cache import Cache

__all__ = ["CONTENT_TYPE_LATEST", "Objects", "exposed", "forget", "registered", "timed"]

_DURATION = Histogram(
    "gotk_reconcile_duration_seconds",
    "The duration in seconds of a reconcile.",
    ("kind", "name", "namespace"),
    buckets=(0.01, 0.05, 0.25, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800),
)
_CONDITIONS = ("Ready", "Reconciling", "Stalled")
_OBJECT = ["kind", "name", "namespace"]
_INFO = [
    "customresource_group",
    "customresource_version",
    "customresource_kind",
    "exported_namespace",
    "name",
    "ready",
    "suspended",
    "revision",
    "url",
    "chart_name",
    "source_name",
]


@contextmanager
def timed(key: Key) -> Iterator[None]:
    """Measure one reconcile, however it ends."""
    began = time.perf_counter()
    try:
        yield
    finally:
        _DURATION.labels(key.kind, key.name, key.namespace).observe(time.perf_counter() - began)


def forget(change: Change, old: Resource | None, _new: Resource | None) -> None:
    """Drop the measurements of an object that is gone; a subscriber of the cache."""
    if change is Change.DELETED and old is not None:
        with suppress(KeyError):
            _DURATION.remove(old.KIND.name, old.metadata.name, old.metadata.namespace)


def exposed() -> bytes:
    """Return everything in Prometheus' text format."""
    return generate_latest(REGISTRY)


@contextmanager
def registered(collector: Collector) -> Iterator[None]:
    """Have a collector asked at every scrape, for the body."""
    REGISTRY.register(collector)
    try:
        yield
    finally:
        REGISTRY.unregister(collector)


class Objects(Collector):
    """
    How the objects and the hub are.

    Args:
        cache: Of the objects.
        owned: Whether this replica works on an object.
        gauges: The hub's own numbers: name and help to a function that returns the value.
    """

    def __init__(
        self, cache: Cache, owned: Callable[[Resource], bool], gauges: dict[tuple[str, str], Callable[[], float]]
    ) -> None:
        self._cache = cache
        self._owned = owned
        self._gauges = gauges

    def describe(self) -> Iterable[Metric]:
        """Return nothing: names are not looked up at registration, when there is nothing to tell yet."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        build = InfoMetricFamily("hub_build", "Version of the hub.")
        build.add_metric([], {"version": __version__})
        yield build
        for (name, text), value in self._gauges.items():
            yield GaugeMetricFamily(name, text, value=value())
        conditions = GaugeMetricFamily(
            "gotk_reconcile_condition", "The current condition of an object.", labels=[*_OBJECT, "type", "status"]
        )
        suspended = GaugeMetricFamily("gotk_suspend_status", "1 when an object is suspended.", labels=_OBJECT)
        info = GaugeMetricFamily("gotk_resource_info", "The current state of an object.", labels=_INFO)
        for resource in self._resources():
            identity = [resource.KIND.name, resource.metadata.name, resource.metadata.namespace]
            for type_, status, holds in _conditions(resource):
                conditions.add_metric([*identity, type_, status], holds)
            suspended.add_metric(identity, float(resource.spec.suspend))
            info.add_metric(_info(resource), 1.0)
        yield from (conditions, suspended, info)

    def _resources(self) -> Iterator[Resource]:
        for kind in KINDS:
            yield from (one for one in self._cache.all(kind) if self._owned(one))


def _conditions(resource: Resource) -> Iterator[tuple[str, str, float]]:
    """Yield one row for each status that Ready may have, as Flux does; of the others the rows that are true."""
    for type_ in _CONDITIONS:
        found = resource.status.condition(type_)
        if type_ == "Ready":
            now = found.status if found else "Unknown"
            yield from ((type_, status, float(now == status)) for status in ("True", "False", "Unknown"))
        elif found is not None:
            yield type_, found.status, 1.0


def _info(resource: Resource) -> list[str]:
    api, spec = resource.KIND.api, resource.spec
    ready: Condition | None = resource.status.condition("Ready")
    return [
        api.group,
        api.version,
        api.kind,
        resource.metadata.namespace,
        resource.metadata.name,
        ready.status if ready else "Unknown",
        str(spec.suspend).lower(),
        _revision(resource),
        str(getattr(spec, "url", "") or ""),
        _chart(spec),
        _source(spec),
    ]


def _revision(resource: Resource) -> str:
    status: Any = resource.status
    if history := getattr(status, "history", None):
        return str(getattr(history[0], "chart_version", "") or "")
    artifact = getattr(status, "artifact", None)
    return str(getattr(artifact, "revision", "") or "") or str(getattr(status, "last_applied_revision", "") or "")


def _chart(spec: Any) -> str:
    chart = getattr(spec, "chart", None)
    return chart if isinstance(chart, str) else str(getattr(getattr(chart, "spec", None), "chart", "") or "")


def _source(spec: Any) -> str:
    inner = getattr(getattr(spec, "chart", None), "spec", None) or spec
    ref = getattr(inner, "source_ref", None) or getattr(spec, "chart_ref", None)
    return str(getattr(ref, "name", "") or "")
