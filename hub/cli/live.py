"""A table that changes in place on a terminal, and stays there as it was when the command ends."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from hub.cli.spinner import spinner_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hub.api.kind import Kind
    from hub.cli.stream import Change

_PER_SECOND = 8

Draw = Callable[["Sequence[tuple[Kind, Sequence[dict[str, Any]]]]"], list[str]]


class Screen:
    """
    The objects of each kind, and how they are drawn.

    Args:
        kinds: In the order in which they are shown.
        draw: Makes lines of them, for the terminal's width of the moment.
    """

    def __init__(self, kinds: Sequence[Kind], draw: Draw) -> None:
        self._draw = draw
        self._objects: dict[Kind, dict[tuple[str, str], dict[str, Any]]] = {kind: {} for kind in kinds}

    def show(self, kind: Kind, batch: Sequence[tuple[Change, bool]]) -> None:
        """Take over changes; an object that is not (any more) to be shown disappears."""
        objects = self._objects[kind]
        for change, is_shown in batch:
            meta = change.object["metadata"]
            identity = (meta.get("namespace", ""), meta["name"])
            if is_shown:
                objects[identity] = change.object
            else:
                objects.pop(identity, None)

    def __rich__(self) -> Text:
        """Draw anew: called as often as the screen is, so ages grow and a resized terminal is filled."""
        lines = self._draw([(kind, list(objects.values())) for kind, objects in self._objects.items()])
        return Text.from_ansi("\n".join(lines or ["(nothing yet)"]), overflow="fold")


@contextmanager
def live(kinds: Sequence[Kind], draw: Draw) -> Iterator[Screen]:
    """Show a screen until the block ends."""
    spinner_of().dismiss()
    screen = Screen(kinds, draw)
    console = Console(highlight=False)
    with Live(screen, console=console, refresh_per_second=_PER_SECOND, vertical_overflow="ellipsis"):
        yield screen
