"""
The program ``hub``: flags -> settings -> clients -> controllers, in one place.

Parts start in the order in which they need each other and stop in reverse: serve, watch, work. SIGTERM and SIGINT let
running helm finish for a while, then stop it; a kill at any instant is repaired by the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from hub import __version__
from hub.errors import HubError
from hub.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_log = logging.getLogger(__name__)


def _flags(command: Callable[..., None]) -> Callable[..., None]:
    """Make one option for each setting; the field says everything about it."""
    for _, one in reversed(list(Settings.all_fields())):
        options: dict[str, Any] = {"help": one.metadata["help"], "default": None, "envvar": f"HUB_{one.name.upper()}"}
        kind = str(one.type)
        if choices := one.metadata.get("choices"):
            options["type"] = click.Choice(choices)
        elif kind.startswith("bool"):
            options["is_flag"] = True
        elif kind.startswith("int"):
            options["type"] = click.IntRange(min=one.metadata.get("minimum"))
        elif kind.startswith("Path"):
            import pathlib  # noqa: PLC0415

            options["type"] = click.Path(path_type=pathlib.Path)
        command = click.option(f"--{one.name.replace('_', '-')}", one.name, **options)(command)
    return command
