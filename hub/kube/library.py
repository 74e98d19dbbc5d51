"""
The door to the ``kubernetes`` library, of which two classes are used.

Its packages import all that they have, synchronous clients and an OAuth library included: 0.8 s of CPU time and 15 MiB,
for ``hubctl --help`` as for the hub. So they are given empty ones for as long as the two modules are imported.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGES = ("kubernetes", "kubernetes.aio")


@contextmanager
def _empty_packages() -> Iterator[None]:
    """Stand in for the packages while the body imports modules of theirs; whoever imports any later gets real ones."""
    if _PACKAGES[0] in sys.modules:
        yield
        return
    for name in _PACKAGES:
        if (spec := importlib.util.find_spec(name)) is not None:
            sys.modules[name] = importlib.util.module_from_spec(spec)  # knows where its modules are, and runs nothing
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == _PACKAGES[0]]:
            del sys.modules[name]


@contextmanager
def absent() -> Iterator[None]:
    """Let the body import who can do without the library, and would take all of it otherwise."""
    before = sys.modules.get(_PACKAGES[0])
    sys.modules[_PACKAGES[0]] = None  # type: ignore[assignment]  # Python's way to say that there is none
    try:
        yield
    finally:
        del sys.modules[_PACKAGES[0]]
        if before is not None:
            sys.modules[_PACKAGES[0]] = before


with _empty_packages():
    Configuration: Any = importlib.import_module("kubernetes.aio.client.configuration").Configuration
    RESTClientObject: Any = importlib.import_module("kubernetes.aio.client.rest").RESTClientObject
