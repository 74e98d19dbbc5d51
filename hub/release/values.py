"""
The values of a release: what it refers to, read and laid on each other.

``valuesFrom`` in its order, then the inline ``values``; :mod:`hub.release.layers` has the rules.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hub.content.values import ValuesError, parse
from hub.errors import ApiError, NotFound, Stalled, Transient
from hub.release.layers import AssignmentError, Layer, combine

if TYPE_CHECKING:
    from hub.api.helm import HelmRelease, ValuesReference
    from hub.runtime.secrets import Data, SecretReader

INLINE = "values"
_DEFAULT_KEY = "values.yaml"
_QUOTED = re.compile(r"'[^']*'|`[^`]*`")


async def compose(release: HelmRelease, reader: SecretReader) -> dict[str, Any]:
    """
    Return the values that helm is given.

    Raises:
        Transient: A reference cannot be resolved (reason ``ValuesError``); the message names it.
        Stalled: The release's own values are not values (reason ``ValuesError``).
    """
    inline = inline_of(release)
    found = await References(release, reader).layers()
    try:
        return combine([layer for _, layer in found], inline)
    except AssignmentError as error:
        reference = next(reference for reference, layer in found if layer is error.layer)
        raise unresolved(release, reference, str(error)) from error
    except ValuesError as error:
        raise Stalled("ValuesError", str(error)) from error


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


class References:
    """``valuesFrom`` of a release; each object is read once."""

    def __init__(self, release: HelmRelease, reader: SecretReader) -> None:
        self._release = release
        self._reader = reader
        self._read: dict[tuple[str, str], Data | None] = {}

    async def layers(self) -> list[tuple[ValuesReference, Layer]]:
        """Return each reference that is there and its layer. Raises ``Transient`` for one that is not and should be."""
        found = []
        for reference in self._release.spec.values_from:
            layer = await self._layer(reference)
            if layer is not None:
                found.append((reference, layer))
        return found

    async def _layer(self, reference: ValuesReference) -> Layer | None:
        data = await self._data(reference)
        if data is None:
            return None
        name = f"{reference.kind}/{reference.name} {key_of(reference)}"
        secret = reference.kind == "Secret"
        if reference.target_path:
            text = as_go_reads(data)
            return Layer(name, path=reference.target_path, text=text, literal=reference.literal, secret=secret)
        try:
            return Layer(name, parse(data), secret=secret)
        except ValuesError as error:
            # What is quoted is the Secret's own text.
            why = _QUOTED.sub("(hidden)", str(error)) if secret else str(error)
            raise unresolved(self._release, reference, why) from error

    async def _data(self, reference: ValuesReference) -> bytes | None:
        """Return the text that a reference leads to; None when there is none and need not be."""
        if reference.kind not in ("Secret", "ConfigMap"):
            raise unresolved(self._release, reference, "unsupported values reference kind")
        found = await self._object(reference)
        data = found.data.get(key_of(reference)) if found is not None else None
        if data is None and not reference.optional:
            why = "resource not found" if found is None else "key not found"
            raise unresolved(self._release, reference, why)
        return data

    async def _object(self, reference: ValuesReference) -> Data | None:
        identity = (reference.kind, reference.name)
        if identity in self._read:
            return self._read[identity]
        read = self._reader.get if reference.kind == "Secret" else self._reader.config_map
        found: Data | None = None
        try:
            found = await read(self._release.metadata.namespace, reference.name)
        except NotFound:
            pass
        except ApiError as error:
            raise unresolved(self._release, reference, error.message) from error
        self._read[identity] = found
        return found


def key_of(reference: ValuesReference) -> str:
    """Return the key in the object's data."""
    return reference.values_key or _DEFAULT_KEY


def unresolved(release: HelmRelease, reference: ValuesReference, why: str) -> Transient:
    """Return the error of a reference, in Flux's words."""
    optional = " optional" if reference.optional else ""
    where = f"{release.metadata.namespace}/{reference.name}"
    return Transient(
        "ValuesError",
        f"could not resolve{optional} {reference.kind} chart values reference '{where}' "
        f"with key '{key_of(reference)}': {why}",
    )


def as_go_reads(data: bytes) -> str:
    """Return a text in which each byte that is no UTF-8 is a replacement character of its own."""
    return re.sub("[\udc80-\udcff]", "\ufffd", data.decode("utf-8", "surrogateescape"))
