"""What is going on, one line per step: ``►`` begins, ``✔`` done, ``✗`` failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def _nowhere(_: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True)
class Progress:
    """
    Tells a person about steps.

    Args:
        write: Takes one line, without its end. The default drops it.
    """

    write: Callable[[str], None] = _nowhere

    def begin(self, text: str) -> None:
        """Something starts that takes noticeable time."""
        self.write(f"► {text}")

    def done(self, text: str) -> None:
        """It came true."""
        self.write(f"✔ {text}")

    def failed(self, text: str) -> None:
        """It did not, or not this time."""
        self.write(f"✗ {text}")
