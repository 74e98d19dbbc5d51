"""
A release that was given up, for what it may do on its member: who it acts as, and what gets it going again.

``web`` acts on member2 as the service account ``deployer``, whose rights in the target namespace come and go without a
trace on the hub. Nothing of its spec, chart or values changes after it was given up.
"""

from __future__ import annotations

import pytest
import yaml
from scenario_match import Re
from scenario_scene import Scene

pytestmark = pytest.mark.cluster

GIVEN = """
namespaces: {member2: ['${ns}', '${target}']}
---
kind: HelmRelease
spec:
  serviceAccountName: deployer
  kubeConfig: {secretRef: {name: member2}}
"""
BOUND = "deployer"
PROMPT = 20.0


@pytest.fixture
def member(clusters):
    return clusters.members[1]


@pytest.fixture
async def scene(world, member):
    async with Scene(world, "given-up") as scene:
        user = f"--user=system:serviceaccount:{scene.names['ns']}:deployer"
        scene.names["user"] = user
        for namespace in (scene.names["ns"], scene.names["target"]):
            await member.kubectl_async("create", "namespace", namespace)
            await bind(member, scene, namespace, "admin")
        await scene.given(GIVEN.replace("namespaces: {member2: ['${ns}', '${target}']}\n---\n", ""))
        await scene.expect({"HelmRelease/web": {"conditions": {"Ready": "True InstallSucceeded"}}})
        await give_up(scene, member)
        yield scene


async def bind(member, scene, namespace, role):
    """Give the service account a role in a namespace of the member."""
    await member.kubectl_async("delete", "rolebinding", BOUND, "-n", namespace, "--ignore-not-found")
    await member.kubectl_async(
        "create", "rolebinding", BOUND, f"--clusterrole={role}", scene.names["user"], "-n", namespace
    )


async def give_up(scene, member):
    """Take the right to write away, and have an upgrade fail of it; give the right back without telling anybody."""
    await bind(member, scene, scene.names["target"], "view")
    await scene.step("patch HelmRelease/web", {"spec": {"values": {"message": "wanted"}}})
    told = Re('^Helm upgrade failed for release ${target}/web .*User "system:serviceaccount:${ns}:deployer" cannot')
    await scene.expect({
        "HelmRelease/web": {
            "conditions": {
                "Ready": {"status": "False", "reason": "UpgradeFailed", "message": told},
                "Stalled": "True RetriesExceeded",
            }
        }
    })  # fmt: skip
    await bind(member, scene, scene.names["target"], "admin")
    await scene.step("reconcile HelmRelease/web", "asked")
    given_up = {"conditions": {"Stalled": "True RetriesExceeded"}, "status": {"lastHandledReconcileAt": "asked"}}
    await scene.expect({"HelmRelease/web": given_up})


async def healed(scene):
    await scene.expect({"member2:ConfigMap/web": {"data": {"message": "wanted"}}}, PROMPT)
    await scene.expect({"HelmRelease/web": {"conditions": {"Ready": "True UpgradeSucceeded"}}})


async def test_another_kubeconfig(scene):
    config = yaml.safe_load((scene.world.sites["member2"].kubeconfig).read_text())
    config["clusters"][0]["cluster"]["tls-server-name"] = "localhost"
    await scene.step("patch Secret/member2", {"stringData": {"value": yaml.safe_dump(config)}})
    await healed(scene)


async def test_the_member_was_lost_and_returned(scene, member):
    await member.stop_apiserver()
    try:
        await scene.step("reconcile HelmRelease/web", "lost")
        await scene.expect({"HelmRelease/web": {"conditions": {"Ready": "False MemberUnreachable"}}})
    finally:
        await member.start_apiserver()
    await healed(scene)
