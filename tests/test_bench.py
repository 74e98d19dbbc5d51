"""The benchmark measures what it says: a run of the least size, on the session's clusters. No times are asserted."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 600.0

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
async def report(clusters, tmp_path_factory):
    """What ``python -m bench`` writes, and what it prints."""
    file = tmp_path_factory.mktemp("bench") / "figures.json"
    command = ["-m", "bench", "-n", "2", "--steady", "6", "--dir", str(clusters.folder), "--json", str(file)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=ROOT, env=dict(os.environ),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE):
            output, errors = await process.communicate()
    except BaseException:
        if process.returncode is None:
            process.terminate()
            await process.wait()
        raise
    assert file.exists(), errors.decode()
    return json.loads(file.read_text()) | {"output": output.decode(), "exit code": process.returncode}


async def test_every_phase_is_measured(report):
    works = [row["work"] for row in report["rows"]]
    assert works == [
        "install",
        "yardstick: bare helm, 4 at a time",
        "push -> all",
        "one member's values pushed",
        "2 releases, push -> both",
        "1 of 2 members hangs: the healthy ones",
        "it is back: its releases",
        "nothing to do",
        "hubctl --help",
        "hubctl get hr",
    ]
    assert all(row["seconds"] > 0 for row in report["rows"])
    assert (report["releases"], report["members"]) == (2, 2)


async def test_cpu_and_memory_are_those_of_a_process_that_works(report):
    measured = [row for row in report["rows"] if row["peak"] is not None]
    assert len(measured) == 7
    for row in measured:
        assert row["cpu"] > 0, row
        assert 20 < row["peak"] < 2000, row


async def test_the_members_run_what_was_pushed_and_nothing_else_happened(report):
    assert report["wrong"] == []
    assert report["exit code"] == 0


async def test_a_push_for_one_member_starts_no_helm_for_the_other(report):
    row = next(row for row in report["rows"] if row["work"] == "one member's values pushed")
    assert row["reached"], row


async def test_the_table_has_a_line_for_each(report):
    lines = [line for line in report["output"].splitlines() if line.startswith("| ")]
    assert len(lines) == 1 + len(report["rows"])


async def test_clusters_that_stay_are_left_clean(report, clusters, eventually):
    def is_clean():
        return all("bench-" not in cluster.kubectl("get", "namespaces", "-o", "name") for cluster in clusters.all)

    await eventually(is_clean, seconds=120.0)
