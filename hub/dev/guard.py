"""
``python -m hub.dev.guard DIR``: end the clusters in DIR when whoever started this ends, however that happens.

The sign is the end of the standard input: nobody holds the other end of the pipe any more.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from hub.dev.environment import Environment


def main() -> None:
    """Wait for the end of the input, then delete what is left."""
    folder = Path(sys.argv[1])
    sys.stdin.buffer.read()
    asyncio.run(Environment(folder).down(delete=True))


if __name__ == "__main__":
    main()
