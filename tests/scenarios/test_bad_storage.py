"""A storage folder that is emptied or full under the running hub, and what is never found in it: a secret."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from scenario_match import Re
from scenario_scene import PROJECT

from hub.dev.gitserver import GitServer

pytestmark = pytest.mark.cluster

PROMPT = 30.0
READY = {"conditions": {"Ready": "True"}}


@pytest.fixture
async def scene(own_world):
    """A hub of its own with the release ``web``."""
    async with own_world("bad-storage") as scene:
        await scene.world.hub.start()
        await scene.given("kind: HelmRelease")
        await scene.expect({"HelmRelease/web": READY})
        yield scene


async def test_artifacts_deleted(scene):
    """Releases go on; what others download is there again after the next look."""
    shutil.rmtree(scene.world.hub.storage / "artifacts")
    await scene.step("patch HelmRelease/web", {"spec": {"values": {"message": "again"}}})
    await scene.expect({"member1:ConfigMap/web": {"data": {"message": "again"}}}, PROMPT)
    await scene.expect({"HelmRelease/web": READY})
    places = ("GitRepository/charts", "HelmChart/${ns}-web")
    for place in places:
        await scene.step(f"reconcile {place}", "now")
        await scene.expect({place: READY | {"status": {"lastHandledReconcileAt": "now"}}})
    stored = [(await scene.get(place))["status"]["artifact"] for place in places]
    for artifact in stored:
        assert (scene.world.hub.storage / "artifacts" / artifact["path"]).is_file()


async def test_everything_deleted(scene):
    """What a release needs is built anew at once, long before the interval (an hour here)."""
    for folder in scene.world.hub.storage.iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)
    await scene.step("patch HelmRelease/web", {"spec": {"values": {"message": "again"}}})
    await scene.expect({"member1:ConfigMap/web": {"data": {"message": "again"}}}, PROMPT)
    await scene.push({"web/values.yaml": {"replicas": 2}})
    await scene.expect({"member1:Deployment/web": {"spec": {"replicas": 2}}}, PROMPT)
    await scene.expect({"HelmRelease/web": READY})


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte as the storage folder of the hub."""
    folder = tmp_path / "storage"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


async def test_full(small_disk, scene):
    """What needs room says so; what runs goes on; with room again all is caught up."""
    await scene.remember("member1:Deployment/web")
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(os.urandom(1024)):
            pass
    await scene.push({"web/values.yaml": {"message": "no room"}})
    told = Re("No space left on device")
    failed = {"status": "False", "message": told}
    await scene.expect([
        {"GitRepository/charts": {"conditions": {"Ready": failed}}},
        {"events GitRepository/charts": {"type": "Warning", "message": told}},
        {"HelmRelease/web": READY},
        {"same member1:Deployment/web": ["metadata.uid", "metadata.resourceVersion"]},
    ])  # fmt: skip
    filler.unlink()
    await scene.expect({"member1:ConfigMap/web": {"data": {"message": "no room"}}}, PROMPT)
    await scene.expect({"GitRepository/charts": READY})


async def test_full_when_helm_needs_room(small_disk, scene):
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(os.urandom(1024)):
            pass
    await scene.step("patch HelmRelease/web", {"spec": {"values": {"message": "no room"}}})
    told = Re("No space left on device")
    await scene.expect({"HelmRelease/web": {"conditions": {"Ready": {"status": "False", "message": told}}}})
    filler.unlink()
    await scene.expect({"member1:ConfigMap/web": {"data": {"message": "no room"}}}, PROMPT)


class Watcher:
    """Reads the command lines of all processes again and again."""

    def __init__(self):
        self.seen = set()
        self._task = None

    async def __aenter__(self):
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self):
        while True:
            self._look()
            await asyncio.sleep(0.005)

    def _look(self):
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                self.seen.add(path.read_bytes())


async def test_secrets_stay_secret(own_world, clusters, tmp_path):
    """Not in command lines, logs, events, statuses, or anywhere on disk; also when things go wrong."""
    good = yaml.safe_load(clusters.members[0].kubeconfig.read_text())
    user = good["users"][0]["user"]
    key = base64.b64decode(user["client-key-data"]).decode().splitlines()[1]
    wrong, right, token = "Wr0ng-passw0rd-1", "R1ght-passw0rd-2", "t0ken-nobody-knows-3"
    server = GitServer(tmp_path / "vault", username="robot", password=right)
    async with server, own_world("bad-secrets") as scene, Watcher() as watcher:
        await server.create("charts", PROJECT / "tests/scenarios/charts")
        scene.names["vault"] = server.url("charts")
        await scene.world.hub.start()
        await scene.given(
            "apiVersion: v1\nkind: Secret\nmetadata: {name: git}\n"
            f"stringData: {{username: robot, password: {wrong}}}\n---\n"
            "kind: GitRepository\nspec: {url: '${vault}', secretRef: {name: git}}\n---\nkind: HelmRelease\n"
        )
        await scene.expect({"GitRepository/charts": {"conditions": {"Ready": "False GitOperationFailed"}}})
        await scene.step("patch Secret/git", {"stringData": {"password": right}})
        await scene.expect({"HelmRelease/web": READY})

        bad = yaml.safe_dump(good | {"users": [{"name": good["users"][0]["name"], "user": {"token": token}}]})
        await scene.step("patch Secret/member1", {"stringData": {"value": bad}})
        await scene.expect({"HelmRelease/web": {"conditions": {"Ready": "False StateError"}}})
        await scene.step("patch Secret/member1", {"stringData": {"value": yaml.safe_dump(good)}})
        for message in ("one", "two"):
            await scene.step("patch HelmRelease/web", {"spec": {"values": {"message": message}}})
            await scene.expect({"member1:ConfigMap/web": {"data": {"message": message}}})

        hub, ns = scene.world.sites["hub"], scene.names["ns"]
        told = [await hub.list(kind, ns) for kind in ("GitRepository", "HelmChart", "HelmRelease", "Event")]
        places = {
            "objects": yaml.safe_dump(told).encode(),
            "log": scene.world.hub.log_file.read_bytes(),
            "command lines": b"\n".join(watcher.seen),
            **{str(path): path.read_bytes() for path in scene.world.hub.storage.rglob("*") if path.is_file()},
        }
        assert any(b"helm" in line and b"upgrade" in line for line in watcher.seen), "helm was seen at work"
        assert any(b"git\0" in line and b"ls-remote" in line for line in watcher.seen), "git too"
        for name, secret in {"wrong": wrong, "right": right, "token": token, "client key": key}.items():
            for form in (secret.encode(), base64.b64encode(secret.encode())):
                found = [place for place, content in places.items() if form.rstrip(b"=") in content]
                assert not found, f"the {name} secret is in {found}"
