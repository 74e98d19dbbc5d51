"""
What the annotation ``hubctl.io/values-layers`` refers to. Pure.

The API server knows nothing of the annotation's form, so everything about it is checked here, typing mistakes too.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from hub.api.helm import VALUES_LAYERS, HelmRelease, ValuesLayer
from hub.api.meta import Key, Resource
from hub.api.registry import KINDS
from hub.api.repositories import HelmRepository
from hub.api.source import HelmChart, SourceStatus
from hub.content import goyaml
from hub.errors import Stalled
from hub.release.triggers import chart_of

if TYPE_CHECKING:
    from collections.abc import Iterable

OBJECTS = ("ConfigMap", "Secret")
SOURCES = tuple(
    kind.name
    for kind in KINDS
    if kind not in {HelmChart.KIND, HelmRepository.KIND} and isinstance(kind.model().status, SourceStatus)
)
"""Kinds that have an artifact with files in it."""


class LayersError(Stalled):
    """The annotation, or a file it leads to, is at fault; only a change of one of them helps."""

    def __init__(self, why: str) -> None:
        super().__init__("ValuesError", why)


def layers_of(release: HelmRelease) -> tuple[ValuesLayer, ...]:
    """
    Return the layers that a release asks for.

    Raises:
        LayersError: The annotation does not say what it should.
    """
    return _parsed(release.metadata.annotations.get(VALUES_LAYERS, ""))


def sources_of(release: Resource) -> Iterable[Key]:
    """Return the keys of the sources whose files are layers."""
    return _keys(release, SOURCES)


def objects_of(release: Resource) -> Iterable[Key]:
    """Return the keys of the Secrets and ConfigMaps that are layers."""
    return _keys(release, OBJECTS)


def charts_of(release: Resource) -> Iterable[Key]:
    """Return the key of the HelmChart that a release with files of sources uses: both may have one source."""
    return chart_of(release) if any(True for _ in sources_of(release)) else ()


def chart_was_rebuilt(old: Resource | None, new: Resource | None) -> bool:
    """Whether a HelmChart was built from another revision of its source, although the package may be the same."""
    return _built_from(old) != _built_from(new)


def describe(layer: ValuesLayer) -> str:
    """Return what people call a layer: kind, name and file or key."""
    return f"{layer.kind}/{layer.name} {layer.path or layer.values_key or 'values.yaml'}"


def _built_from(chart: Resource | None) -> str:
    return chart.status.observed_source_artifact_revision if isinstance(chart, HelmChart) else ""


def _keys(release: Resource, kinds: tuple[str, ...]) -> list[Key]:
    if not isinstance(release, HelmRelease):
        return []
    try:
        layers = layers_of(release)
    except LayersError:
        return []  # the reconcile says so
    return [Key(layer.kind, release.metadata.namespace, layer.name) for layer in layers if layer.kind in kinds]


@lru_cache(maxsize=4096)
def _parsed(text: str) -> tuple[ValuesLayer, ...]:
    try:
        found = goyaml.load(text)
    except goyaml.YamlError as error:
        raise LayersError(f"annotation {VALUES_LAYERS}: {error}") from error
    if found is None:
        return ()
    if not isinstance(found, list):
        raise LayersError(f"annotation {VALUES_LAYERS}: a list is expected")
    return tuple(_entry(number, raw) for number, raw in enumerate(found, 1))


def _entry(number: int, raw: Any) -> ValuesLayer:
    problem = _problem(raw)
    if problem:
        raise LayersError(f"annotation {VALUES_LAYERS}: entry {number}: {problem}")
    return ValuesLayer.parse(raw)


def _problem(raw: Any) -> str:
    """Return what is wrong with an entry, or the empty word."""
    if not isinstance(raw, dict):
        return "a mapping is expected"
    known = {field.alias: field.annotation for field in ValuesLayer.model_fields.values()}
    if unknown := [str(key) for key in raw if key not in known]:
        return f"'{unknown[0]}' is not known; there are: {', '.join(str(key) for key in known)}"
    for key, value in raw.items():
        wanted = bool if key == "optional" else str
        if not isinstance(value, wanted):
            return f"'{key}' must be {'true or false' if wanted is bool else 'text'}"
    kind = raw.get("kind")
    if kind not in (*SOURCES, *OBJECTS):
        return f"'kind' must be one of {', '.join((*SOURCES, *OBJECTS))}"
    if not raw.get("name"):
        return "'name' is missing"
    if kind in SOURCES and not raw.get("path"):
        return f"'path' of the file in the {kind} is missing"
    if (stray := "valuesKey" if kind in SOURCES else "path") in raw:
        return f"'{stray}' means nothing for a {kind}"
    return ""
