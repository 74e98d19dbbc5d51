"""
Helm values: read, merged and compared as Helm and Flux do. Pure.

Values are JSON mappings. A digest of them (``status.history[].configDigest``) is that of their YAML text with sorted
keys, so it is the same whoever computes it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from hub.content import goyaml

if TYPE_CHECKING:
    from collections.abc import Mapping

EMPTY_DIGEST = f"sha256:{hashlib.sha256().hexdigest()}"


class ValuesError(ValueError):
    """Text that is not YAML, or YAML that is not a mapping; the message says what was found."""


def parse(data: bytes | str) -> dict[str, Any]:
    """
    Return the values that a YAML text holds; an empty one holds none.

    Only the first of several documents is read, as Helm does for ``--values``.

    Raises:
        ValuesError: It is not YAML, or not a mapping.
    """
    try:
        found = goyaml.load(data)
    except goyaml.YamlError as error:
        raise ValuesError(str(error)) from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ValuesError(f"a mapping is expected, not {_KINDS.get(type(found), type(found).__name__)}")
    return found


def merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return ``base`` with ``override`` on top; neither is changed.

    Mappings are merged key by key, anything else replaces what was there. A null survives: it is Helm that then removes
    the chart's default.
    """
    merged = dict(base)
    for key, value in override.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
    return merged


def dump(values: Mapping[str, Any]) -> bytes:
    """Return the values as YAML with sorted keys, in the form the digest is taken of."""
    return goyaml.dump(dict(values)).encode()


def values_digest(values: Mapping[str, Any] | None) -> str:
    """Return ``sha256:<hex>`` of the values as Flux computes it; no values have the digest of an empty text."""
    return f"sha256:{hashlib.sha256(dump(values)).hexdigest()}" if values else EMPTY_DIGEST


_KINDS: dict[type, str] = {
    list: "a list",
    str: "text",
    int: "a number",
    float: "a number",
    bool: "a boolean",
}
