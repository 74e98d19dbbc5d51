"""
Let the package ``kubernetes`` be imported without what nobody here uses: its other client, requests, OAuth, websockets.

That is more than half of the time in which a short command starts (measured: 0.60 instead of 1.28 CPU seconds on a busy
machine). The package stays whole: each of its modules is loaded when somebody asks for it.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

_HEAVY = ("kubernetes", "kubernetes.aio")
"""Packages whose ``__init__`` imports all that is below it."""


class _LazyPackage(ModuleType):
    """A package whose modules are imported when they are used."""

    def __getattr__(self, name: str) -> Any:
        try:
            return importlib.import_module(f"{self.__name__}.{name}")
        except ModuleNotFoundError as error:
            raise AttributeError(f"module '{self.__name__}' has no attribute '{name}'") from error


def lighten() -> None:
    """Make the heavy packages lazy, unless they are loaded already. To be called before the first of them is needed."""
    for name in _HEAVY:
        spec = None if name in sys.modules else importlib.util.find_spec(name)
        if spec is None or spec.submodule_search_locations is None:
            continue
        package = _LazyPackage(name)
        package.__path__ = list(spec.submodule_search_locations)
        package.__file__, package.__spec__ = spec.origin, spec
        sys.modules[name] = package
