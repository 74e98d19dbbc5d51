"""The values of a release: ``valuesFrom`` in order, then the inline ``values``; later wins, maps merge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.content.values import ValuesError, merge, parse
from hub.errors import ApiError, NotFound, Transient

if TYPE_CHECKING:
    from hub.api.helm import HelmRelease, ValuesReference
    from hub.runtime.secrets import SecretReader

_DEFAULT_KEY = "values.yaml"


async def compose(release: HelmRelease, reader: SecretReader) -> dict[str, Any]:
    """
    Return the values that helm is given.

    Raises:
        Transient: A reference cannot be resolved (reason ``ValuesError``); the message names it.
    """
    values: dict[str, Any] = {}
    for reference in release.spec.values_from:
        values = merge(values, await _referenced(release, reference, reader))
    return merge(values, release.spec.values or {})


async def _referenced(release: HelmRelease, reference: ValuesReference, reader: SecretReader) -> dict[str, Any]:
    key = reference.values_key or _DEFAULT_KEY
    if reference.target_path:
        raise _unresolved(release, reference, key, "targetPath is not supported yet")
    read = reader.get if reference.kind == "Secret" else reader.config_map
    try:
        found = await read(release.metadata.namespace, reference.name)
    except NotFound as error:
        if reference.optional:
            return {}
        raise _unresolved(release, reference, key, "resource not found") from error
    except ApiError as error:
        raise _unresolved(release, reference, key, error.message) from error
    data = found.data.get(key)
    if data is None:
        if reference.optional:
            return {}
        raise _unresolved(release, reference, key, "key not found")
    try:
        return parse(data)
    except ValuesError as error:
        raise _unresolved(release, reference, key, str(error)) from error


def _unresolved(release: HelmRelease, reference: ValuesReference, key: str, why: str) -> Transient:
    optional = " optional" if reference.optional else ""
    where = f"{release.metadata.namespace}/{reference.name}"
    return Transient(
        "ValuesError",
        f"could not resolve{optional} {reference.kind} chart values reference '{where}' with key '{key}': {why}",
    )
