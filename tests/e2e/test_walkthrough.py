"""The commands of examples/multicluster/README.md, typed into a shell one after the other."""

import asyncio
import os
import re
import shutil
import socket
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "multicluster"

COMMON_CHANGE = """
sed -i 's/type: ClusterIP/type: NodePort/' ~/hello-kubernetes/helm-chart/values.yaml
git -C ~/hello-kubernetes commit -am 'NodePort' && git -C ~/hello-kubernetes push origin HEAD:master
"""


def typed(readme):
    """The command lines of each section, by its number."""
    sections = re.split(r"^## (\d+)\..*$", readme, flags=re.MULTILINE)[1:]
    return {
        int(number): re.findall(r"^\$ (.*)$", text, re.MULTILINE)
        for number, text in zip(sections[::2], sections[1::2], strict=True)
    }


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


async def shell(script, *, home, cwd):
    """Run a script as an interactive shell would, up to the first command that fails; return what it printed."""
    environment = {
        **{name: value for name, value in os.environ.items() if name not in {"KUBECONFIG", "HUB_TEST_CLUSTERS"}},
        **{f"GIT_{role}_{key}": "someone" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"),
    }
    printed = home / "printed"  # a file: background jobs that are left over would keep a pipe open
    with printed.open("w") as output:
        command = f"set -exm; trap 'kill $(jobs -p) 2>/dev/null || :' EXIT\n{script}"
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", command, cwd=cwd, env=environment, stdout=output, stderr=output
        )
        try:
            await asyncio.wait_for(process.wait(), 400)
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()
    assert process.returncode == 0, printed.read_text()
    return printed.read_text()


def steps():
    """What is typed: the page's commands, the edits that it has in words, and patience where people have it."""
    lines = typed((EXAMPLE / "README.md").read_text())
    assert lines[1][0].startswith("make setup")  # the test has its own
    serve = next(number for number, line in enumerate(lines[2]) if line.endswith("&"))
    listening = "until (: < /dev/tcp/127.0.0.1/8080) 2>/dev/null; do sleep 0.1; done"
    upgraded = "kubectl -n gitops-project wait hr --all --for=jsonpath='{.status.history[0].version}'=2 --timeout=2m"
    endless = next(number for number, line in enumerate(lines[6]) if line.endswith("--watch"))
    return [
        *lines[1][1:],
        *[*lines[2][: serve + 1], listening, *lines[2][serve + 1 :]],
        *lines[3],
        *lines[4],
        *lines[5],
        COMMON_CHANGE,
        *[*lines[6][:endless], upgraded, *lines[6][endless + 1 :]],
        *lines[11],
    ]


async def test_the_steps_do_what_the_page_says(tmp_path):
    checkout = tmp_path / "hub"
    shutil.copytree(EXAMPLE, checkout / "examples" / "multicluster")
    script = "\n".join(steps()).replace("8080", str(free_port())).replace("/tmp/hub-storage", str(tmp_path / "storage"))
    script = script.replace(
        "hub --storage-path", "hub --listen 127.0.0.1:0 --webhook-listen 127.0.0.1:0 --storage-path"
    )  # people have 9790 to spare
    try:
        printed = await shell(script, home=tmp_path, cwd=checkout)
    finally:
        await shell("hubctl dev down --delete", home=tmp_path, cwd=checkout)
    installed = re.findall(
        r"^member\d-app +1\.0\.0\+\w{12}\.1 +False +True +Helm install succeeded", printed, re.MULTILINE
    )
    assert len(installed) == 2
    assert len(re.findall(r"^hello-kubernetes-app-member\d-app +NodePort", printed, re.MULTILINE)) == 2
    assert not (checkout / ".hub").exists()
