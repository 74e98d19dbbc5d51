"""``hubctl dev`` as a person types it, in a folder of its own."""

import asyncio
import os
import signal
import socket
import sys

import pytest

from hub.dev.binaries import Toolbox
from hub.dev.environment import Environment
from hub.kube.config import load_kubeconfig

pytestmark = pytest.mark.cluster


@pytest.fixture
async def folder(tmp_path):
    folder = tmp_path / "dev"
    yield folder
    await Environment(folder).down(delete=True)


async def hubctl(folder, *args):
    """Run ``hubctl dev``; return its exit code, output and messages."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hub.cli.dev",
        *args,
        "--dir",
        folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


async def kubectl(folder, *args):
    tools = await Toolbox().ensure("kubectl")
    process = await asyncio.create_subprocess_exec(
        tools["kubectl"], "--kubeconfig", folder / "hub.kubeconfig", *args, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return output.decode()


async def test_the_life_of_an_environment(folder):
    # Up, from nothing
    code, _, told = await hubctl(folder, "up", "--members", "0")
    assert code == 0, told
    assert "✔ hub: ready in" in told
    assert (folder / "hub.kubeconfig").stat().st_mode & 0o777 == 0o600
    assert "helmreleases.helm.toolkit.fluxcd.io" in await kubectl(folder, "get", "crds", "-o", "name")
    await kubectl(folder, "create", "namespace", "keepsake")
    hub = Environment(folder).hub
    pids = hub.pids
    server = load_kubeconfig(folder / "hub.kubeconfig").server

    # Up again: nothing is touched
    code, _, told = await hubctl(folder, "up", "--members", "0")
    assert code == 0
    assert "✔ hub: is up already" in told
    assert hub.pids == pids
    assert (await hubctl(folder, "status"))[:2] == (0, f"NAME   STATUS   SERVER\nhub    up       {server}\n")

    # Killed, seen, healed: only what died is started
    os.kill(pids["kube-apiserver"], signal.SIGKILL)
    os.kill(pids["kwok"], signal.SIGKILL)
    code, told, _ = await hubctl(folder, "status")
    assert code == 1
    assert "not running: kube-apiserver, kwok" in told
    assert (await hubctl(folder, "up", "--members", "0"))[0] == 0
    assert {part for part in pids if hub.pids[part] != pids[part]} == {"kube-apiserver", "kwok"}

    # Paused: up lets it go on
    hub.signal(signal.SIGSTOP, "kube-apiserver", "etcd")
    assert (await hubctl(folder, "status"))[0] == 1
    assert (await hubctl(folder, "up", "--members", "0"))[0] == 0

    # Down, and the port is taken by somebody else: another one, and the data is there
    code, _, told = await hubctl(folder, "down")
    assert (code, told) == (0, "✔ ended hub\n")
    assert not any(hub.pids.values())
    code, told, _ = await hubctl(folder, "status")
    assert code == 1
    assert "down" in told
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(("127.0.0.1", int(server.rpartition(":")[2])))
        thief.listen()
        assert (await hubctl(folder, "up", "--members", "0"))[0] == 0
    assert load_kubeconfig(folder / "hub.kubeconfig").server != server
    assert "keepsake" in await kubectl(folder, "get", "namespaces", "-o", "name")

    # Deleted: everything of ours, nothing of others
    (folder / "notes.txt").write_text("mine")
    assert (await hubctl(folder, "down", "--delete"))[0] == 0
    assert set(folder.iterdir()) == {folder / "notes.txt"}


async def test_a_cluster_that_cannot_start_says_why(folder):
    (folder / "clusters/hub/etcd").mkdir(parents=True)
    (folder / "clusters/hub/etcd/member").write_text("not a folder")
    code, _, told = await hubctl(folder, "up", "--members", "0")
    assert code == 1
    assert "✗ hub: etcd ended right after its start" in told
    assert "etcd.log" in told
    assert "Traceback" not in told


async def test_two_ups_at_once(folder):
    results = await asyncio.gather(*(hubctl(folder, "up", "--members", "0") for _ in range(2)))
    assert [code for code, _, _ in results] == [0, 0]
    told = "".join(errors for _, _, errors in results)
    assert told.count("ready in") == 1
    assert told.count("is up already") == 1


async def test_status_and_down_of_nothing(folder):
    code, _, told = await hubctl(folder, "status")
    assert code == 1
    assert "hubctl dev up" in told
    assert (await hubctl(folder, "down", "--delete"))[0] == 0
    assert not folder.exists()


async def test_a_folder_in_use_keeps_its_files(folder):
    folder.mkdir()
    (folder / ".gitignore").write_text("/build\n")
    (folder / "clusters/mine").mkdir(parents=True)
    environment = Environment(folder)
    async with environment._lock():
        pass
    await environment.down(delete=True)
    assert (folder / ".gitignore").read_text() == "/build\n"
    assert (folder / "clusters/mine").is_dir()


async def test_the_clusters_end_with_the_one_who_is_guarded(folder):
    assert (await hubctl(folder, "up", "--members", "0"))[0] == 0
    guard = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hub.dev.guard", folder, stdin=asyncio.subprocess.PIPE
    )
    guard.stdin.close()
    await guard.wait()
    assert not folder.exists()


async def test_kind_without_docker(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, told = await hubctl(folder, "up", "--provider", "kind")
    assert code == 1
    assert "docker engine" in told
