"""``--status-selector Ready=False``: objects by the status of one of their conditions. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class StatusSelector:
    """A condition type and the status that it must (or must not) have."""

    type: str
    status: str
    negated: bool = False

    @classmethod
    def parse(cls, text: str) -> StatusSelector:
        """
        Read ``Type=Status`` or ``Type!=Status``.

        Raises:
            click.BadParameter: It is neither.
        """
        kind, equals, status = text.partition("=")
        negated = kind.endswith("!")
        kind = kind.removesuffix("!").strip()
        if not equals or not kind or not status.strip():
            raise click.BadParameter(f"'{text}' is not of the form Ready=False or Ready!=True")
        return cls(kind, status.strip(), negated)

    def matches(self, raw: dict[str, Any]) -> bool:
        """Whether an object is selected; one without the condition has no status, so only ``!=`` selects it."""
        conditions = (raw.get("status") or {}).get("conditions") or ()
        status = next((one.get("status") for one in conditions if one.get("type") == self.type), None)
        return (str(status).lower() == self.status.lower()) != self.negated
