"""Spans of time on the command line: ``30s``, ``5m``, ``1h30m``."""

from __future__ import annotations

from typing import Any

import click


class _DurationType(click.ParamType[float]):
    """A Go duration, as the objects themselves spell it; the value is in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds. Anything but a positive duration is a usage error."""
        from hub.api.duration import Duration

        if isinstance(value, float):
            return value
        try:
            seconds = Duration(value).seconds
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if seconds <= 0:
            self.fail(f"'{value}' is not longer than nothing", param, ctx)
        return seconds


TIMEOUT = _DurationType()
