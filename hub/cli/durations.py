"""Spans of time on the command line: ``30s``, ``5m``, ``1h30m``."""

from __future__ import annotations

from typing import Any

import click


class _DurationType(click.ParamType[float]):
    """A Go duration, as the objects themselves spell it; the value is in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ARG002
        """Return seconds. Raises ``BadInput`` for anything but a positive duration."""
        return value if isinstance(value, float) else _seconds(value)


class _GoDurationType(click.ParamType[str]):
    """A Go duration that goes into an object as it is."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002
        """Return the text. Raises ``BadInput`` for anything but a positive duration."""
        _seconds(value)
        return str(value)


def _seconds(value: Any) -> float:
    from hub.api.duration import Duration
    from hub.cli.failures import BadInput

    try:
        seconds = Duration(value).seconds
    except ValueError as error:
        raise BadInput(str(error)) from error
    if seconds <= 0:
        raise BadInput(f"'{value}' is not longer than nothing")
    return seconds


TIMEOUT = _DurationType()
DURATION = _GoDurationType()
