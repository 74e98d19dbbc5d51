"""What the tests of members share."""

from __future__ import annotations

import asyncio

# Before the first loop, asyncio would make one just because pytest-asyncio asks which one there is, and nobody closes it.
asyncio.set_event_loop(None)
