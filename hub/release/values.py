"""
The values of a release: what it refers to, read and laid on each other.

The layers of the annotation ``hubctl.io/values-layers``, then ``valuesFrom``, each in its order, then the inline
``values``; :mod:`hub.release.layers` has the rules.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from hub.api.meta import READY
from hub.api.source import HelmChart
from hub.content import digest as digests
from hub.content.values import ValuesError, parse
from hub.errors import ApiError, NotFound, Stalled, Transient, Waiting
from hub.release.layer_refs import OBJECTS, describe, layers_of
from hub.release.layers import AssignmentError, Layer, combine
from hub.release.source_files import within

if TYPE_CHECKING:
    from hub.api.helm import HelmRelease, ValuesLayer, ValuesReference
    from hub.api.meta import Artifact
    from hub.release.source_files import SourceFiles
    from hub.runtime.secrets import Data, SecretReader

INLINE = "values"
_DEFAULT_KEY = "values.yaml"
_QUOTED = re.compile(r"'[^']*'|`[^`]*`")
_SHORT = 12


class Gathered(NamedTuple):
    """
    What a release refers to.

    Attributes:
        layers: Later ones win; the inline values are not among them.
        observed: What to tell in the status of the annotation's layers.
    """

    layers: list[Layer]
    observed: list[str]


class Values:
    """Gathers the values of releases.

    Args:
        reader: Reads Secrets and ConfigMaps.
        files: Reads files of sources.
    """

    def __init__(self, reader: SecretReader, files: SourceFiles) -> None:
        self._reader = reader
        self._files = files

    async def compose(self, release: HelmRelease, chart: object) -> dict[str, Any]:
        """
        Return the values that helm is given with a chart, and note in the release's status what they are made of.

        Raises:
            Stalled: The release or a file is at fault (reason ``ValuesError``).
            Transient: A reference cannot be resolved (reason ``ValuesError``); the message names it.
            Waiting: A source of a layer has nothing to read yet (reason ``SourceNotReady``).
        """
        inline = inline_of(release)
        found = await self.gather(release, chart)
        release.status.observed_values_layers = found.observed
        try:
            return combine(found.layers, inline)
        except AssignmentError as error:
            raise Transient("ValuesError", f"could not resolve {error.layer.origin}: {error}") from error
        except ValuesError as error:
            raise Stalled("ValuesError", str(error)) from error

    async def gather(self, release: HelmRelease, chart: object) -> Gathered:
        """Return the layers of a release; raises as :meth:`compose`."""
        objects = _Objects(release.metadata.namespace, self._reader)
        layers, observed = [], []
        for number, reference in enumerate(layers_of(release), 1):
            where = f"values layer {number} ({describe(reference)})"
            try:
                if reference.kind in OBJECTS:
                    layer, digest = await _of_object(reference, objects)
                else:
                    layer, digest = await self._of_source(release, reference, chart)
            except (Stalled, Waiting, Transient) as error:
                raise within(where, error) from error
            layers += [layer] if layer else []
            observed.append(f"{describe(reference)} {digest if layer else '(missing)'}".rstrip())
        for one in release.spec.values_from:
            referenced = await _referenced(release, one, objects)
            layers += [referenced] if referenced else []
        return Gathered(layers, observed)

    async def _of_source(self, release: HelmRelease, reference: ValuesLayer, chart: object) -> tuple[Layer | None, str]:
        """Return the layer of a file in a source, and its digest."""
        artifact = self._files.artifact(release.metadata.namespace, reference)
        _check_same_revision(release, reference, chart, artifact)
        file = await self._files.read(artifact, reference.path)
        if file is not None:
            return Layer(describe(reference), file.values), _short(file.digest)
        if reference.optional:
            return None, ""
        raise Stalled("ValuesError", f"there is no such file in revision '{artifact.revision}'")


def _check_same_revision(release: HelmRelease, reference: ValuesLayer, chart: object, artifact: Artifact) -> None:
    """
    Make sure that a chart and a layer of one source are of one revision: a commit to both is one upgrade.

    Raises:
        Waiting: The chart is still of another one; its next event brings the release back.
    """
    if not isinstance(chart, HelmChart) or chart.metadata.namespace != release.metadata.namespace:
        return
    source = chart.spec.source_ref
    if (source.kind, source.name) != (reference.kind, reference.name) or chart.spec.suspend:
        return
    if chart.status.observed_source_artifact_revision != artifact.revision:
        name = f"{chart.metadata.namespace}/{chart.metadata.name}"
        ready = chart.status.condition(READY)
        why = f": {ready.message}" if ready is not None and ready.status == "False" else ""
        text = f"HelmChart '{name}' has not been built from revision '{artifact.revision}' yet{why}"
        raise Waiting("SourceNotReady", text, quiet=True)


def inline_of(release: HelmRelease) -> Layer:
    """
    Return the inline values as a layer.

    Raises:
        Stalled: They are not a mapping, which the API server cannot know.
    """
    values: Any = release.spec.values
    if values is None:
        values = {}
    if not isinstance(values, dict):
        what = "a list" if isinstance(values, list) else "a single value"
        raise Stalled("ValuesError", f"spec.values must be a mapping, not {what}")
    return Layer(INLINE, values)


class _Objects:
    """Secrets and ConfigMaps of a namespace; each is read once."""

    def __init__(self, namespace: str, reader: SecretReader) -> None:
        self._namespace = namespace
        self._reader = reader
        self._read: dict[tuple[str, str], Data | None] = {}

    async def text(self, kind: str, name: str, key: str, *, optional: bool) -> bytes | None:
        """
        Return what is under a key; None when there is nothing, and need not be.

        Raises:
            _Unresolved: There should be, or it may not be read.
        """
        found = await self._object(kind, name)
        data = found.data.get(key) if found is not None else None
        if data is None and not optional:
            raise _Unresolved("resource not found" if found is None else "key not found")
        return data

    async def _object(self, kind: str, name: str) -> Data | None:
        if (kind, name) in self._read:
            return self._read[kind, name]
        read = self._reader.get if kind == "Secret" else self._reader.config_map
        found: Data | None = None
        try:
            found = await read(self._namespace, name)
        except NotFound:
            pass
        except ApiError as error:
            raise _Unresolved(error.message) from error
        self._read[kind, name] = found
        return found


class _Unresolved(Transient):
    """A reference leads nowhere, as far as can be said without its name."""

    def __init__(self, why: str) -> None:
        super().__init__("ValuesError", why)


async def _of_object(reference: ValuesLayer, objects: _Objects) -> tuple[Layer | None, str]:
    """Return the layer of a Secret or ConfigMap, and its digest; that of a Secret is nobody's business."""
    key = reference.values_key or _DEFAULT_KEY
    data = await objects.text(reference.kind, reference.name, key, optional=reference.optional)
    if data is None:
        return None, ""
    secret = reference.kind == "Secret"
    digest = "" if secret else _short(digests.of_bytes(data))
    return Layer(describe(reference), _mapping(data, secret=secret), secret=secret), digest


async def _referenced(release: HelmRelease, reference: ValuesReference, objects: _Objects) -> Layer | None:
    """Return the layer of one entry of ``valuesFrom``; errors are in Flux's words."""
    key = reference.values_key or _DEFAULT_KEY
    name, secret = f"{reference.kind}/{reference.name} {key}", reference.kind == "Secret"
    optional = "optional " if reference.optional else ""
    where = f"'{release.metadata.namespace}/{reference.name}' with key '{key}'"
    origin = f"{optional}{reference.kind} chart values reference {where}"
    try:
        if reference.kind not in OBJECTS:
            raise _Unresolved("unsupported values reference kind")
        data = await objects.text(reference.kind, reference.name, key, optional=reference.optional)
        if data is None:
            return None
        if reference.target_path:
            text, path = as_go_reads(data), reference.target_path
            return Layer(name, path=path, text=text, literal=reference.literal, secret=secret, origin=origin)
        return Layer(name, _mapping(data, secret=secret), secret=secret)
    except _Unresolved as error:
        raise Transient("ValuesError", f"could not resolve {origin}: {error.message}") from error


def _mapping(data: bytes, *, secret: bool) -> dict[str, Any]:
    try:
        return parse(data)
    except ValuesError as error:
        # What is quoted is the Secret's own text.
        raise _Unresolved(_QUOTED.sub("(hidden)", str(error)) if secret else str(error)) from error


def _short(digest: str) -> str:
    return f"{digests.ALGORITHM}:{digests.hex_of(digest)[:_SHORT]}"


def as_go_reads(data: bytes) -> str:
    """Return a text in which each byte that is no UTF-8 is a replacement character of its own."""
    return re.sub("[\udc80-\udcff]", "\ufffd", data.decode("utf-8", "surrogateescape"))
