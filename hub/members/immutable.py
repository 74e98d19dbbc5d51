"""
Tell a refusal that only a new object gets past from one that says the object is wrong. Pure.

The API server has no code for "immutable"; it says so in words, and each kind has its own. An update is validated as a
whole, so when *every* cause it names is immutability, the object would be accepted as a new one. One other cause, and
the object has to stay: deleting it would only take it away.
"""

from __future__ import annotations

import re
from typing import Any

# What a cause quotes of the object comes first and may say anything, so words count only where the server puts its own:
# at the end after a value ...
_AFTER_VALUE = re.compile(
    r": (?:"
    r"field is immutable"  # selectors and templates of workloads, type of a Secret, most others
    r"|may not change once set"  # clusterIP of a Service
    r"|cannot change roleRef"  # RoleBinding, ClusterRoleBinding
    r"|[^:]*\bimmutable\b[^:]*"  # rules of CRDs, in the words of their authors
    r"|failed rule: [^:]*\boldSelf\b.*"  # and when their authors had none
    r")$",
    re.IGNORECASE,
)
# ... and at the beginning where there is none.
_FORBIDDEN = re.compile(
    r"^Forbidden: (?:"
    r"updates to statefulset spec for fields other than"
    r"|pod updates may not change fields other than"
    r"|\S+ is immutable after creation"  # PersistentVolumeClaim, PersistentVolume
    r"|field is immutable when `immutable` is set"  # ConfigMap, Secret
    r"|may not be changed in an update"  # PriorityClass
    r"|updates to \S+ are forbidden"  # StorageClass before Kubernetes 1.30
    r")"
)

KEPT = frozenset({"customresourcedefinitions", "namespaces"})
"""Never deleted for the sake of a field: what is in them would go too, and most of it is not the release's."""


def only_immutable(status: dict[str, Any]) -> bool:
    """Whether a ``Status`` object of a 422 names no other cause than fields that may not change."""
    if status.get("code") != 422 or status.get("reason") != "Invalid":
        return False
    causes = (status.get("details") or {}).get("causes") or []
    messages = [str(cause.get("message", "")) for cause in causes]
    return bool(messages) and all(_AFTER_VALUE.search(text) or _FORBIDDEN.match(text) for text in messages)
