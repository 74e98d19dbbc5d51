"""``make demo`` as a newcomer starts it."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).resolve().parents[2]


async def test_the_demo_comes_true_and_leaves_nothing_behind(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "KEEP"} | {"TMPDIR": str(tmp_path)}
    pipe = asyncio.subprocess.PIPE
    demo = await asyncio.create_subprocess_exec(
        sys.executable,
        ROOT / "examples/multicluster/demo.py",
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=pipe,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(demo.communicate(), 600)
    finally:
        if demo.returncode is None:
            demo.terminate()
            await demo.wait()
    assert demo.returncode == 0, output.decode()
    assert "✔ All of it came true" in output.decode()
    assert list(tmp_path.iterdir()) == []
