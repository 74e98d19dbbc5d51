"""
What a ``kill -9`` at the worst moment costs: nothing but time.

Each test has a hub of its own. A hook that takes a few seconds keeps helm at work for long enough to be caught at it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
from scenario_match import Not
from scenario_scene import Scene
from scenario_site import APIS, Ref

pytestmark = pytest.mark.cluster

RELEASE = "kind: HelmRelease\n"
SLOW_HOOK = {"prepare": {"event": "pre-install,pre-upgrade", "annotations": {"hubctl.io/kwok-delay": "2s"}}}
READY = {"HelmRelease/web": {"conditions": {"Ready": "True InstallSucceeded"}}}


async def stored(scene, wanted):
    """Return as soon as Helm has stored a revision in a status, e.g. ``2 pending-upgrade``."""
    site, ns = scene.world.sites["member1"], scene.names["ns"]
    deadline = time.monotonic() + 60
    listed = await site.client.list(APIS["Secret"], ns, labels="owner=helm", metadata_only=True)
    async with asyncio.timeout(deadline - time.monotonic()):
        if wanted in await site.revisions(ns, "web"):
            return
        watch = site.client.watch(
            APIS["Secret"], ns, resource_version=listed.resource_version, labels="owner=helm", metadata_only=True
        )
        async for event in watch:
            labels = event.object["metadata"].get("labels") or {}
            if f"{labels.get('version')} {labels.get('status')}" == wanted:
                return


def helm_under(pid):
    """Return the process id of the helm that a hub is running."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                command = (folder / "cmdline").read_bytes().split(b"\0")
            except (OSError, ValueError):
                continue
            if parent == pid and Path(os.fsdecode(command[0])).name == "helm":
                return int(folder.name)
    raise AssertionError(f"process {pid} runs no helm")


async def pods_made(scene):
    """Return how often the hook ran: Pods of its Jobs that were ever created (Jobs are removed before each run)."""
    fields = "involvedObject.kind=Job,involvedObject.name=prepare,reason=SuccessfulCreate"
    events = await scene.world.sites["member1"].client.list(APIS["Event"], scene.names["target"], fields=fields)
    return len(events.items)


async def test_hub_killed_mid_upgrade(own_world):
    async with own_world("hub-killed-mid-upgrade") as scene:
        await scene.given(RELEASE)
        await scene.world.hub.start()
        await scene.expect(READY)
        deployment = await scene.remember("member1:Deployment/web")
        await scene.guard("member1:Deployment/web", {"status": {"availableReplicas": 1}})
        await scene.step("patch HelmRelease/web", {"spec": {"values": {"message": "new", "hooks": SLOW_HOOK}}})
        await stored(scene, "2 pending-upgrade")
        await scene.world.hub.kill()
        await scene.expect({"HelmRelease/web": {"status": {"history": [{"version": 1, "status": "deployed"}]}}})
        await scene.world.hub.start()
        await scene.expect([
            {"HelmRelease/web": {"conditions": {"Ready": "True UpgradeSucceeded"}}},
            {"revisions member1:${ns}/web": ["1 superseded", "2 failed", "3 deployed"]},
            {"member1:ConfigMap/web": {"data": {"message": "new"}}},
            {"events HelmRelease/web": {"type": "Normal", "reason": "PendingRelease"}},
            {"same member1:Deployment/web": ["metadata.uid", "spec"]},
        ])  # fmt: skip
        found = await scene.get("HelmRelease/web")
        assert not found["status"].get("upgradeFailures"), "a kill is no failure of the release"
        assert (
            deployment["metadata"]["generation"]
            == (await scene.get("member1:Deployment/web"))["metadata"]["generation"]
        )
        scene.guarded()


async def test_hub_killed_right_after_helm_was_done(own_world):
    """The result is stored on the member and nowhere else: it is adopted, not made again."""
    async with own_world("hub-killed-after-upgrade") as scene:
        await scene.given(RELEASE)
        await scene.world.hub.start()
        await scene.expect(READY)
        await scene.step("patch HelmRelease/web", {"spec": {"values": {"message": "new", "hooks": SLOW_HOOK}}})
        await stored(scene, "2 deployed")
        await scene.world.hub.kill()
        await scene.world.hub.start()
        await scene.expect(
            [
                {
                    "HelmRelease/web": {
                        "conditions": {"Ready": "True UpgradeSucceeded"},
                        "status": {
                            "history": [{"version": 2, "status": "deployed", "action": "upgrade"}, {"version": 1}]
                        },
                    }
                },
                {"revisions member1:${ns}/web": ["1 superseded", "2 deployed"]},
            ]
        )
        assert await pods_made(scene) == 1


async def test_hub_killed_mid_install(own_world):
    async with own_world("hub-killed-mid-install") as scene:
        await scene.given(f"{RELEASE}spec: {{values: {{hooks: {SLOW_HOOK}}}}}")
        await scene.world.hub.start()
        await stored(scene, "1 pending-install")
        await scene.world.hub.kill()
        await scene.world.hub.start()
        await scene.expect(
            [
                {
                    "HelmRelease/web": {
                        "conditions": {"Ready": {"status": "True"}, "Reconciling": None, "Stalled": None},
                        "status": {"history": [{"version": 2, "status": "deployed"}], "installFailures": Not(1)},
                    }
                },
                {"member1:Deployment/web": {"status": {"availableReplicas": 1}}},
                {"revisions member1:${ns}/web": ["1 superseded", "2 deployed"]},
            ]
        )


async def test_helm_killed(own_world):
    """Somebody (the kernel, short of memory) kills helm: the hub unlocks the release and goes on by itself."""
    async with own_world("helm-killed") as scene:
        await scene.given(RELEASE)
        await scene.world.hub.start()
        await scene.expect(READY)
        await scene.step("patch HelmRelease/web", {"spec": {"values": {"message": "new", "hooks": SLOW_HOOK}}})
        await stored(scene, "2 pending-upgrade")
        os.kill(helm_under(scene.world.hub.pid), signal.SIGKILL)
        await scene.expect([
            {"events HelmRelease/web": {"type": "Warning", "reason": "UpgradeFailed"}},
            {
                "HelmRelease/web": {
                    "conditions": {"Ready": "True UpgradeSucceeded"},
                    "status": {"upgradeFailures": Not(1)},
                }
            },
            {"revisions member1:${ns}/web": ["1 superseded", "2 failed", "3 deployed"]},
            {"member1:ConfigMap/web": {"data": {"message": "new"}}},
        ])  # fmt: skip
        events = await scene.world.sites["hub"].events_of(Ref("hub", "HelmRelease", scene.names["ns"], "web"))
        assert any("killed by signal SIGKILL" in event["message"] for event in events), events


async def test_hub_stopped_mid_upgrade(own_world):
    """SIGTERM lets helm finish and writes down what came of it."""
    async with own_world("hub-stopped-mid-upgrade") as scene:
        await scene.given(RELEASE)
        await scene.world.hub.start()
        await scene.expect(READY)
        await scene.step("patch HelmRelease/web", {"spec": {"values": {"message": "new", "hooks": SLOW_HOOK}}})
        await stored(scene, "2 pending-upgrade")
        await scene.world.hub.stop()
        await scene.expect(
            [
                {"revisions member1:${ns}/web": ["1 superseded", "2 deployed"]},
                {
                    "HelmRelease/web": {
                        "conditions": {"Ready": "True UpgradeSucceeded"},
                        "status": {"history": [{"version": 2, "status": "deployed"}, {"version": 1}]},
                    }
                },
            ]
        )


async def test_pending_release_of_a_dead_helm_is_unlocked(world):
    """A helm that somebody ran by hand died half-way; no later helm would touch the release."""
    async with Scene(world, "pending-release-is-unlocked") as scene:
        await scene.given(f"{RELEASE}spec: {{storageNamespace: '${{target}}'}}")
        await scene.expect(READY)
        where = ["--kubeconfig", world.sites["member1"].kubeconfig, "-n", scene.names["target"]]
        helm = await asyncio.create_subprocess_exec(
            world.helm, *where, "upgrade", "web",
            Path(__file__).parent / "charts/web", "--wait", "--set", "podAnnotations.hubctl\\.io/kwok-never-ready=yes",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            await scene.expect({"revisions member1:${target}/web": ["1 deployed", "2 pending-upgrade"]})
        finally:
            helm.kill()
            await helm.wait()
        await scene.step("reconcile HelmRelease/web", "look")
        await scene.expect(
            [
                {
                    "HelmRelease/web": {
                        "conditions": {"Ready": "True UpgradeSucceeded"},
                        "status": {"lastHandledReconcileAt": "look", "history": [{"version": 3, "status": "deployed"}]},
                    }
                },
                {"revisions member1:${target}/web": ["1 superseded", "2 failed", "3 deployed"]},
                {
                    "events HelmRelease/web": {
                        "type": "Normal",
                        "reason": "PendingRelease",
                        "message": f"Unlocked Helm release {scene.names['target']}/web.v2 with chart web@1.0.0 in "
                        "pending-upgrade state",
                    }
                },
                {"member1:Deployment/web": {"status": {"availableReplicas": 1, "replicas": 1}}},
            ]
        )


async def test_hub_restarted_changes_nothing(own_world):
    """What was settled before a restart stays as it is: no helm runs, no condition is news."""
    async with own_world("hub-restarted") as scene:
        await scene.given(RELEASE)
        await scene.world.hub.start()
        await scene.expect(READY)
        await scene.remember("HelmRelease/web")
        await scene.remember("HelmChart/${ns}-web")
        await scene.remember("GitRepository/charts")
        await scene.world.hub.stop()
        await scene.world.hub.start()
        await scene.step("reconcile HelmRelease/web", "after")
        await scene.expect(
            [
                {"HelmRelease/web": {"status": {"lastHandledReconcileAt": "after"}}},
                {"same HelmRelease/web": ["status.conditions", "status.history"]},
                {
                    "same HelmChart/${ns}-web": [
                        "status.conditions",
                        "status.artifact.revision",
                        "status.artifact.digest",
                    ]
                },
                {
                    "same GitRepository/charts": [
                        "status.conditions",
                        "status.artifact.revision",
                        "status.artifact.digest",
                    ]
                },
                {"revisions member1:${ns}/web": ["1 deployed"]},
            ]
        )
