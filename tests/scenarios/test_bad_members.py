"""
Members that refuse, hang, are somebody else, or do not know us: told once, nobody else notices, and it heals by itself.

``web`` is on member2, which is harmed; ``other`` is on member1, which is not.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
import uuid

import pytest
import yaml
from scenario_match import Absent, Present, Re
from scenario_scene import Scene, completed

from hub.dev.certs import Authority

pytestmark = pytest.mark.cluster

GIVEN = """
namespaces: {member1: ['${ns}', '${target}'], member2: ['${ns}', '${target}']}
---
kind: HelmRelease
spec: {kubeConfig: {secretRef: {name: member2}}}
---
kind: HelmRelease
metadata: {name: other}
"""
PROMPT = 15.0
"""Seconds within which a release catches up once its member is back; the probes' longest pause is five."""


@pytest.fixture(scope="module")
async def scene(world):
    async with Scene(world, "bad-members") as scene:
        await scene.given(GIVEN)
        await ready(scene, "web", "InstallSucceeded")
        await ready(scene, "other", "InstallSucceeded")
        yield scene


@pytest.fixture
def victim(clusters):
    """Member2; healed whatever happens."""
    member = clusters.members[1]
    yield member
    member.resume()


async def refuse(member):
    await member.stop_apiserver()


async def hang(member):
    member.pause()


async def heal(member):
    member.resume()
    await member.start_apiserver()


async def upgrade(scene, name, message):
    await scene.step(f"patch HelmRelease/{name}", {"spec": {"values": {"message": message}}})


async def ready(scene, name, reason="UpgradeSucceeded", seconds=90.0):
    """Wait until a release is ready with its newest spec."""
    await scene.expect({f"HelmRelease/{name}": {"conditions": {"Ready": f"True {reason}"}}}, seconds)


async def warnings(scene, reason):
    events = await scene.world.sites["hub"].events_of(scene.ref("HelmRelease/web"))
    return {one["message"]: one["count"] for one in events if one["reason"] == reason}


async def status(scene):
    return (await scene.get("HelmRelease/web"))["status"]


def counters(status):
    names = ("failures", "installFailures", "upgradeFailures")
    return [status.get(name, 0) for name in names]


@pytest.mark.parametrize(
    ("harm", "cause"),
    [
        pytest.param(refuse, r"127\.0\.0\.1:\d+ refused the connection", id="refuses"),
        pytest.param(hang, r"127\.0\.0\.1:\d+ did not (answer|accept a connection) .*", id="hangs"),
    ],
)
async def test_lost(scene, victim, eventually, harm, cause):
    name = f"lost, {uuid.uuid4().hex[:4]}"
    before = await status(scene)
    last = before["history"][0]
    good = rf"last good revision is {last['namespace']}/web\.v{last['version']} with chart web@1\.0\.0\+\w+"
    told = Re(rf"^member '${{ns}}/member2' is unreachable since \S+Z: {cause}; {good}$")
    await harm(victim)
    try:
        await upgrade(scene, "web", name)
        lost = {"status": "False", "reason": "MemberUnreachable", "message": told}
        await scene.expect([
            {"HelmRelease/web": {"conditions": {"Ready": lost}}},
            {"events HelmRelease/web": {"type": "Warning", "reason": "MemberUnreachable", "message": told}},
            {"Member/member2": {
                "conditions": {"Ready": {"status": "False", "reason": "MemberUnreachable", "message": Re(cause)}},
                "status": {"breaker": "open", "reachableSince": Absent()},
            }},
        ])  # fmt: skip
        await upgrade(scene, "other", name)
        await ready(scene, "other")

        then = await scene.get("HelmRelease/web")
        tries = len(attempts(scene))
        await eventually(lambda: len(attempts(scene)) >= tries + 3)
        now = await scene.get("HelmRelease/web")
        assert now["metadata"]["resourceVersion"] == then["metadata"]["resourceVersion"], "nothing new, nothing written"
        message = next(one["message"] for one in now["status"]["conditions"] if one["type"] == "Ready")
        assert (await warnings(scene, "MemberUnreachable"))[message] == 1, "told once"
        assert counters(now["status"]) == counters(before)
    finally:
        await heal(victim)
    began = time.monotonic()
    await ready(scene, "web", seconds=PROMPT)
    print(f"\ncaught up {time.monotonic() - began:.1f} s after the member's return")
    assert counters(await status(scene)) == [0, 0, 0]
    assert (await status(scene))["history"][0]["version"] == last["version"] + 1
    back = {"conditions": {"Ready": "True Reachable"}, "status": {"breaker": "closed", "reachableSince": Present()}}
    await scene.expect([
        {"Member/member2": back},
        {"events Member/member2": {"type": "Normal", "reason": "Reachable"}},
        {"Member/member1": {"conditions": {"Ready": "True Reachable"}}},
    ])  # fmt: skip


def attempts(scene):
    return scene.world.hub.log("Will try again", f"{scene.names['ns']}/web", lines=10_000).splitlines()


async def test_lost_while_helm_runs(scene, victim):
    """Helm is at work when the member stops to answer: the revision is taken up again, and no failure is counted."""
    before = await status(scene)
    await upgrade(scene, "web", "in the middle")
    await scene.expect({"HelmRelease/web": {"conditions": {"Reconciling": "True Progressing"}}})
    victim.pause()
    try:
        await scene.expect({"HelmRelease/web": {"conditions": {"Ready": "False MemberUnreachable"}}})
        await upgrade(scene, "other", "in the middle")
        await ready(scene, "other")
    finally:
        victim.resume()
    await ready(scene, "web", seconds=2 * PROMPT)
    now = await status(scene)
    assert counters(now) == [0, 0, 0]
    assert now["history"][0]["status"] == "deployed"
    assert now["history"][0]["version"] > before["history"][0]["version"]


async def test_lost_while_helm_waits(scene, victim):
    """A helm that only waits for Pods, with minutes left, is not what people have to wait for."""
    before = await status(scene)
    never = {"podAnnotations": {"hubctl.io/kwok-never-ready": "true"}, "message": "waiting"}
    await scene.step("patch HelmRelease/web", {"spec": {"timeout": "10m", "values": never}})
    running = Re("Running 'upgrade' action")
    await scene.expect({"HelmRelease/web": {"conditions": {"Reconciling": {"message": running}}}})
    await scene.expect({"member2:Deployment/web": {"status": {"unavailableReplicas": 1}}})
    victim.pause()
    try:
        await scene.expect({"HelmRelease/web": {"conditions": {"Ready": "False MemberUnreachable"}}}, 45)
        assert counters(await status(scene)) == [0, 0, 0]
        await scene.step(
            "patch HelmRelease/web", {"spec": {"timeout": "60s", "values": {"podAnnotations": None, "message": "back"}}}
        )
    finally:
        victim.resume()
    await ready(scene, "web", seconds=2 * PROMPT)
    assert counters(await status(scene)) == [0, 0, 0]
    assert (await status(scene))["history"][0]["version"] > before["history"][0]["version"]


async def test_deleted_while_lost(scene, victim):
    """An object whose member may be gone for good says what can be done, and goes when it is told to."""
    names = ("doomed", "patient")
    for name in names:
        release = {"kind": "HelmRelease", "metadata": {"name": name}, "spec": {"releaseName": name}}
        release["spec"]["kubeConfig"] = {"secretRef": {"name": "member2"}}
        await scene.apply("hub", completed(release))
        await ready(scene, name, "InstallSucceeded")
    await scene.step("annotate HelmRelease/patient", {"hubctl.io/deletion-policy": "DeleteOrOrphanAfter=1s"})
    await refuse(victim)
    try:
        for name in names:
            await scene.step(f"delete HelmRelease/{name}")
        told = Re(
            "is unreachable since .*; last good revision is .*; to delete the object and leave the release on its "
            "member, annotate it with hubctl.io/deletion-policy=Orphan$"
        )
        lost = {"status": "False", "reason": "MemberUnreachable", "message": told}
        await scene.expect({"HelmRelease/doomed": {"conditions": {"Ready": lost}}})
        await scene.expect([
            {"HelmRelease/patient": None},
            {"events HelmRelease/patient": {"type": "Warning", "reason": "ReleaseOrphaned"}},
            {"HelmRelease/doomed": {"conditions": {"Ready": lost}}},
        ])  # fmt: skip
        await scene.step("annotate HelmRelease/doomed", {"hubctl.io/deletion-policy": "Orphan"})
        await scene.expect({"HelmRelease/doomed": None})
    finally:
        await heal(victim)
    await upgrade(scene, "web", "the controllers of the member are back too")
    await ready(scene, "web")


class TestCredentials:
    """Kubeconfigs that are well-formed and do not get us in."""

    @pytest.fixture
    def good(self, clusters):
        return yaml.safe_load(clusters.members[1].kubeconfig.read_text())

    async def test_unknown_authority(self, scene, good, tmp_path):
        stranger = base64.b64encode(Authority(tmp_path, "stranger").pair.cert.read_bytes()).decode()
        good["clusters"][0]["cluster"]["certificate-authority-data"] = stranger
        told = Re(
            "member '${ns}/member2' is unreachable since .* is signed by an unknown authority .*: check certificate"
        )
        await self._see_it_through(scene, good, "MemberUnreachable", told, "unknown authority")

    async def test_unknown_token(self, scene, good):
        good["users"][0]["user"] = {"token": "a-token-nobody-knows"}
        told = Re("member '${ns}/member2': .*does not accept our credentials .*: renew the token")
        await self._see_it_through(scene, good, "StateError", told, "unknown token")

    async def test_expired_token(self, scene, good):
        """What the token says of itself is told on the Member, whatever the API server says of it."""
        good["users"][0]["user"] = {"token": _jwt(iat=1_000_000_000, exp=1_000_086_400)}
        await _write(scene, good)
        over = "the token in Secret '${ns}/member2' expired at 2001-09-10T01:46:40Z: write a new kubeconfig there.*"
        told = {"status": "False", "reason": "CredentialsExpired", "message": Re(over)}
        await scene.expect([
            {"Member/member2": {"conditions": {"CredentialsValid": told, "Ready": "False Unauthorized"}}},
            {"events Member/member2": {"type": "Warning", "reason": "CredentialsExpired", "message": Re(over)}},
        ])  # fmt: skip
        await _write(scene, yaml.safe_load(scene.world.sites["member2"].kubeconfig.read_text()))
        await scene.expect({
            "Member/member2": {"conditions": {"CredentialsValid": "True Valid", "Ready": "True Reachable"}}
        })  # fmt: skip

    async def test_no_rights(self, scene, good, clusters):
        good["users"][0]["user"] = {"token": await _token(clusters.members[1], scene.names["target"], "nobody")}
        told = Re("member '${ns}/member2': secrets is forbidden: User .*nobody.* cannot list .*: give the user")
        await self._see_it_through(scene, good, "StateError", told, "no rights")

    async def test_rotated(self, scene, good, clusters):
        """The old token stops to work, a new Secret brings another: the next call uses it."""
        member, target = clusters.members[1], scene.names["target"]
        tokens = [await _token(member, target, name, admin=True) for name in ("first", "second")]
        good["users"][0]["user"] = {"token": tokens[0]}
        await _write(scene, good)
        await upgrade(scene, "web", "first")
        await ready(scene, "web")
        await member.kubectl_async("delete", "serviceaccount", "first", "-n", target)
        good["users"][0]["user"] = {"token": tokens[1]}
        await _write(scene, good)
        await upgrade(scene, "web", "second")
        await ready(scene, "web")

    async def _see_it_through(self, scene, config, reason, told, name):
        last = (await status(scene))["history"][0]["version"]
        await _write(scene, config)
        await scene.expect([
            {"HelmRelease/web": {"conditions": {"Ready": {"status": "False", "reason": reason, "message": told}}}},
            {"events HelmRelease/web": {"type": "Warning", "reason": reason, "message": told}},
        ])  # fmt: skip
        await upgrade(scene, "other", name)
        await ready(scene, "other")
        await upgrade(scene, "web", name)
        assert counters(await status(scene)) == [0, 0, 0]
        await _write(scene, yaml.safe_load(scene.world.sites["member2"].kubeconfig.read_text()))
        await ready(scene, "web", seconds=PROMPT)
        assert (await status(scene))["history"][0]["version"] == last + 1


async def _write(scene, config):
    text = base64.b64encode(yaml.safe_dump(config).encode()).decode()
    await scene.world.sites["hub"].patch(scene.ref("Secret/member2"), {"data": {"value": text}})


def _jwt(**claims):
    """A token that nobody signed."""
    parts = ({"alg": "RS256"}, claims, {})
    return ".".join(base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in parts)


async def _token(member, namespace, name, *, admin=False):
    """A token of a new service account."""
    await member.kubectl_async("create", "serviceaccount", name, "-n", namespace)
    if admin:
        binding = f"{namespace}-{name}"
        await member.kubectl_async(
            "create", "clusterrolebinding", binding, "--clusterrole=cluster-admin",
            f"--serviceaccount={namespace}:{name}",
        )  # fmt: skip
    return (await member.kubectl_async("create", "token", name, "-n", namespace)).strip()


MANY = "{trees: {many: tests/scenarios/charts/many}, namespaces: {member1: ['${ns}'], member2: ['${ns}']}}"


class TestFanOut:
    """Many releases on both members while one of them hangs; how fast the others are is measured by ``make bench``."""

    EACH = 6

    async def test_healthy_ones_do_not_wait_for_a_member_that_hangs(self, world, victim, eventually):
        pairs = [(member, f"{member}-{one}") for one in range(self.EACH) for member in ("member1", "member2")]
        healthy = [name for member, name in pairs if member == "member1"]
        names = [name for _, name in pairs]
        async with Scene(world, "bad-fan-out") as scene:
            await scene.given("\n---\n".join([MANY, *map(_release, pairs)]))
            await self._all(scene, names)
            for when, moment in (("member2 hangs", None), ("member2 starts to hang meanwhile", self._at_work)):
                if moment is None:
                    victim.pause()
                try:
                    pushing = asyncio.create_task(self._push(scene, healthy, when))
                    if moment is not None:
                        await moment(scene, eventually)
                        victim.pause()
                    await pushing
                finally:
                    victim.resume()
                await self._all(scene, names)

    async def _at_work(self, scene, eventually):
        """Wait until helm runs on member2 for the newest commit."""
        seen = len(self._runs(scene))
        await eventually(lambda: len(self._runs(scene)) >= seen + 2)

    def _runs(self, scene):
        return scene.world.hub.log("Running action", f'"{scene.names["ns"]}"', "member2-", lines=10_000).splitlines()

    async def _push(self, scene, names, message):
        """Push a change, and wait until the releases have it."""
        await scene.push({"many/values.yaml": {"message": message}})
        await self._all(scene, names, await self._version(scene))

    async def _version(self, scene):
        """The chart's version that the newest commit makes."""
        commit = scene.names["commit"]
        await scene.expect({"GitRepository/charts": {"status": {"artifact": {"revision": f"master@sha1:{commit}"}}}})
        while True:
            charts = await scene.world.sites["hub"].list("HelmChart", scene.names["ns"])
            seen = {one["status"].get("observedSourceArtifactRevision") for one in charts}
            if seen == {f"master@sha1:{commit}"}:
                return charts[0]["status"]["artifact"]["revision"]
            await asyncio.sleep(0.1)

    async def _all(self, scene, names, version=None):
        wanted = {"conditions": {"Ready": "True"}}
        if version:
            wanted["status"] = {"lastAttemptedRevision": version}
        for name in names:
            await scene.expect({f"HelmRelease/{name}": wanted})


def _release(pair):
    member, name = pair
    return yaml.safe_dump({
        "kind": "HelmRelease",
        "metadata": {"name": name},
        "spec": {
            "releaseName": name,
            "targetNamespace": "${ns}",
            "kubeConfig": {"secretRef": {"name": member}},
            "chart": {"spec": {"chart": "./many"}},
        },
    })  # fmt: skip
