"""Whether an object may refer to one of another namespace: what ``--no-cross-namespace-refs`` means. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.errors import Stalled

if TYPE_CHECKING:
    from hub.api.meta import Key

DENIED = "AccessDenied"


@dataclass(frozen=True, slots=True)
class Access:
    """
    The rule that all controllers ask.

    Attributes:
        same_namespace_only: No object may refer to one of another namespace.
    """

    same_namespace_only: bool = False

    def check(self, namespace: str, target: Key) -> None:
        """
        Return when an object of ``namespace`` may refer to ``target``.

        Raises:
            Stalled: It may not (Flux helmrelease fact 22).
        """
        if self.same_namespace_only and target.namespace not in ("", namespace):
            raise Stalled(
                DENIED,
                "cross-namespace references are not allowed: "
                f"cannot access {target.kind} {target.namespace}/{target.name}",
            )
