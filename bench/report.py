"""What was measured, beside what should be: one table, or JSON. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """
    One line of the table.

    Attributes:
        work: What was done.
        seconds: Until the last release that was waited for was ready.
        cpu: CPU seconds of the hub with its children, or of helm for the yardstick.
        peak: MiB of memory at most; None where it was not measured.
        ratio: Compared with the yardstick or with another row, as the target says.
        target: What should be, in words.
        reached: Whether it is; None without a target.
        note: What else there is to know.
    """

    work: str
    seconds: float
    cpu: float | None = None
    peak: float | None = None
    ratio: str = ""
    target: str = ""
    reached: bool | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All rows, and what was not as it should be on the members."""

    releases: int
    members: int
    cores: int
    load: float
    rows: list[Row]
    wrong: list[str]

    def document(self) -> dict[str, Any]:
        """Return everything, for JSON."""
        return asdict(self)

    def table(self) -> str:
        """Return everything, for people."""
        head = ("work", "seconds", "CPU s", "peak MiB", "ratio", "target", "reached")
        lines = [head, *(_cells(row) for row in self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
        text = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
        text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        notes = [f"{row.work}: {row.note}" for row in self.rows if row.note]
        wrong = [f"WRONG: {one}" for one in self.wrong]
        load = (
            f"{self.releases} releases, {self.members} members, {self.cores} cores, load {self.load:.1f} at the start"
        )
        return "\n".join([load, "", *text, "", *notes, *wrong])


def _cells(row: Row) -> tuple[str, ...]:
    reached = "" if row.reached is None else ("yes" if row.reached else "NO")
    return (
        row.work,
        f"{row.seconds:.2f}",
        "" if row.cpu is None else f"{row.cpu:.2f}",
        "" if row.peak is None else f"{row.peak:.0f}",
        row.ratio,
        row.target,
        reached,
    )
