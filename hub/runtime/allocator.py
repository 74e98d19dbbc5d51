"""How the process uses memory and threads; called once, before there are any. Where glibc is not, it does nothing."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import sys
from typing import Final

_M_ARENA_MAX: Final = -8
_M_TRIM_THRESHOLD: Final = -1
_ARENAS: Final = 1  # else each thread that fetches or packs keeps a heap of its own, mostly empty, for ever
_TRIM: Final = 1 << 20  # bytes at the end of the heap that are given back once they are free


def tune() -> None:
    """Let threads share one heap, and no thread wait for each process that is started."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, _ARENAS)
        libc.mallopt(_M_TRIM_THRESHOLD, _TRIM)
    if sys.version_info < (3, 12) and hasattr(os, "pidfd_open"):  # from 3.12 on asyncio does so by itself
        with contextlib.suppress(OSError):  # a kernel or a sandbox without pidfds
            os.close(os.pidfd_open(os.getpid()))
            asyncio.set_child_watcher(asyncio.PidfdChildWatcher())
