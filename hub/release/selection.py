"""Which objects of a manifest a selector means: rules of drift detection and patches of post-renderers. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hub.api.selectors import matches
from hub.release import manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.api.appliers import Selector
    from hub.api.helm import Kustomize

_HOME = "default"  # kustomize's idea of a namespace that nobody wrote


def selects(selector: Selector | None, item: dict[str, Any]) -> bool:
    """Whether an object is meant; names and kinds are anchored regular expressions, and no selector means all."""
    if selector is None:
        return True
    ref, meta = manifest.ref(item), item.get("metadata") or {}
    patterns = (
        (selector.group, ref.group),
        (selector.version, ref.version),
        (selector.kind, ref.kind),
        (selector.namespace, ref.namespace),
        (selector.name, ref.name),
    )
    return all(not pattern or re.fullmatch(pattern, text) for pattern, text in patterns) and all(
        matches(wanted, marks or {})
        for wanted, marks in (
            (selector.label_selector, meta.get("labels")),
            (selector.annotation_selector, meta.get("annotations")),
        )
    )


def idle_patches(changes: Kustomize, items: Sequence[dict[str, Any]]) -> list[str]:
    """
    Return the patches whose target is none of the objects, as ``patches[0] (target kind=Service name=web)``.

    Kustomize passes over them in silence; one without a target names its object, and kustomize itself refuses it. A
    selector that cannot be read is kustomize's to complain of, too.
    """
    targets = [(f"patches[{place}]", one.target) for place, one in enumerate(changes.patches)]
    targets += [(f"patchesJson6902[{place}]", one.target) for place, one in enumerate(changes.patches_json6902)]
    known = [item | {"metadata": {"namespace": _HOME, **(item.get("metadata") or {})}} for item in items]
    return [
        f"{name} (target {' '.join(f'{key}={value}' for key, value in target.dump().items())})"
        for name, target in targets
        if target is not None and not _selects_any(target, known)
    ]


def _selects_any(selector: Selector, items: Sequence[dict[str, Any]]) -> bool:
    try:
        return any(selects(selector, item) for item in items)
    except (re.error, ValueError):
        return True
