"""Credential plugins: real programs that deliver, fail, talk nonsense or hang."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import pytest

from hub.kube.exec_plugin import CredentialError, ExecPlugin, run_exec_plugin


def plugin(tmp_path, body):
    program = tmp_path / "plugin.py"
    program.write_text(f"import json, os, sys\n{body}\n")
    return ExecPlugin(sys.executable, "client.authentication.k8s.io/v1", (str(program),), (("SAY", "s3cret"),))


def running(pids):
    """Those of the processes in a file that still run (an orphan that ended may wait for init to reap it)."""
    states = {}
    for pid in pids.read_text().split():
        with contextlib.suppress(FileNotFoundError):
            states[pid] = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return {pid for pid, state in states.items() if state != "Z"}


async def test_a_plugin_is_asked_for_credentials(tmp_path):
    answer = (
        "print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential',"
        "'status': {'token': os.environ['SAY']}}))"
    )
    assert await run_exec_plugin(plugin(tmp_path, answer)) == {"token": "s3cret"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param("sys.exit('no luck')", "ended with exit code 1: no luck", id="it fails"),
        pytest.param("print('hello')", "printed no credentials", id="it prints something else"),
        pytest.param("import time; time.sleep(60)", "did not finish within", id="it hangs"),
    ],
)
async def test_a_plugin_that_does_not_deliver(tmp_path, body, message):
    with pytest.raises(CredentialError, match=message):
        await run_exec_plugin(plugin(tmp_path, body), timeout=0.5 if "sleep" in body else 20)


async def test_a_plugin_that_hangs_is_ended_with_its_children(tmp_path):
    pids = tmp_path / "pids"
    body = f"""
import subprocess, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open({str(pids)!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
time.sleep(60)
"""
    with pytest.raises(CredentialError):
        await run_exec_plugin(plugin(tmp_path, body), timeout=2.0)
    assert not running(pids)


async def test_a_plugin_that_is_not_there():
    with pytest.raises(CredentialError, match="'/nowhere/plugin' cannot be started"):
        await run_exec_plugin(ExecPlugin("/nowhere/plugin", "v1"))
