"""The smallest JSON merge patch between two statuses (RFC 7396). Pure."""

from __future__ import annotations

from typing import Any


def merge_patch(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """
    Return the patch that turns ``old`` into ``new``; empty when they are equal.

    Mappings are compared key by key, a key that is gone becomes None, everything else is replaced whole.
    """
    patch: dict[str, Any] = dict.fromkeys(old.keys() - new.keys())
    for key, value in new.items():
        before = old.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            if inner := merge_patch(before, value):
                patch[key] = inner
        elif key not in old or before != value:
            patch[key] = value
    return patch
