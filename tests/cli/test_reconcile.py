import asyncio

import pytest
from cli_kit import artifact, snapshot

from hub.api.helm import HelmRelease
from hub.api.source import GitRepository, HelmChart

pytestmark = pytest.mark.cluster

RELEASE, GIT, CHART = HelmRelease.KIND, GitRepository.KIND, HelmChart.KIND
READY = {"conditions": [("Ready", "True", "Succeeded", "done")]}
RELEASED = {**READY, "history": [snapshot(2, "1.0.1")]}
FETCHED = {**READY, "artifact": artifact("master@sha1:" + "ab" * 20)}
RUNNING = {
    "conditions": [
        ("Reconciling", "True", "Progressing", "Running 'upgrade' action with timeout of 5m0s"),
        ("Ready", "Unknown", "Progressing", "Running 'upgrade' action with timeout of 5m0s"),
    ]
}
BROKEN = {
    "conditions": [
        ("Reconciling", "True", "ProgressingWithRetry", "it broke"),
        ("Ready", "False", "UpgradeFailed", "it broke"),
    ]
}


async def test_it_waits_and_tells(hubctl, objects):
    await objects.make(RELEASE, "app", RELEASED)
    async with objects.answering(RELEASE, "app", RUNNING, RELEASED) as requests:
        ran = await hubctl("reconcile", "hr", "app")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.splitlines() == [
        f"► annotating HelmRelease app in {objects.namespace} namespace",
        "✔ HelmRelease app annotated",
        "◎ waiting for HelmRelease app reconciliation",
        "◎ HelmRelease app: Running 'upgrade' action with timeout of 5m0s",
        "✔ HelmRelease app: applied revision 1.0.1",
    ]
    assert len(requests) == 1


async def test_a_failure_is_told_at_once(hubctl, objects):
    await objects.make(RELEASE, "app", RELEASED)
    async with objects.answering(RELEASE, "app", RUNNING, BROKEN):
        ran = await asyncio.wait_for(hubctl("reconcile", "hr", "app"), 20)
    assert ran.code == 1
    assert ran.err.splitlines()[-1] == f"✗ HelmRelease {objects.namespace}/app reconciliation failed: 'it broke'"


async def test_force_and_reset_ask_for_more(hubctl, objects):
    await objects.make(RELEASE, "app", RELEASED)
    async with objects.answering(RELEASE, "app", RELEASED) as requests:
        assert (await hubctl("reconcile", "hr", "app", "--force", "--reset")).code == 0
    annotations = (await objects.read(RELEASE, "app"))["metadata"]["annotations"]
    wanted = {f"reconcile.fluxcd.io/{name}": requests[0] for name in ("requestedAt", "forceAt", "resetAt")}
    assert annotations == wanted


async def test_with_source_goes_from_the_source_to_the_release(hubctl, objects):
    await objects.make(GIT, "git-repo", FETCHED)
    await objects.make(CHART, f"{objects.namespace}-app", FETCHED)
    await objects.make(RELEASE, "app", {**RELEASED, "helmChart": f"{objects.namespace}/{objects.namespace}-app"})
    async with (
        objects.answering(GIT, "git-repo", FETCHED),
        objects.answering(CHART, f"{objects.namespace}-app", FETCHED),
        objects.answering(RELEASE, "app", RELEASED),
    ):
        ran = await hubctl("reconcile", "hr", "app", "--with-source")
    assert ran.code == 0, ran.err
    done = [text.removeprefix("✔ ") for text in ran.err.splitlines() if "revision" in text]
    assert done == [
        "GitRepository git-repo: fetched revision master@sha1:abababab",
        f"HelmChart {objects.namespace}-app: fetched revision master@sha1:abababab",
        "HelmRelease app: applied revision 1.0.1",
    ]


async def test_nobody_answers(hubctl, objects):
    await objects.make(RELEASE, "app", RELEASED)
    ran = await hubctl("reconcile", "hr", "app", "--timeout", "1s")
    assert ran.code == 1
    assert "is not ready after 1s: no hub acted on the request: does one run" in ran.err


@pytest.mark.parametrize(
    ("kind", "name", "says"),
    [
        pytest.param(
            "hr", "asleep", "is suspended; 'hubctl resume helmrelease asleep -n {ns}' wakes it", id="suspended"
        ),
        pytest.param("hr", "x", "HelmRelease object 'x' not found in \"{ns}\" namespace", id="missing"),
    ],
)
async def test_what_cannot_be_asked_for(hubctl, objects, kind, name, says):
    await objects.make(RELEASE, "asleep", suspend=True)
    ran = await hubctl("reconcile", kind, name)
    assert ran.code == 1
    assert says.format(ns=objects.namespace) in ran.err
    assert "annotations" not in (await objects.read(RELEASE, "asleep"))["metadata"]


async def test_deleted_meanwhile(hubctl, objects, eventually):
    await objects.make(GIT, "repo", FETCHED)
    running = asyncio.create_task(hubctl("reconcile", "source", "git", "repo"))

    async def asked():
        return "annotations" in (await objects.read(GIT, "repo"))["metadata"]

    await eventually(asked)
    await objects.client.delete(GIT.api, "repo", objects.namespace)
    ran = await asyncio.wait_for(running, 20)
    assert (ran.code, ran.err.splitlines()[-1][-5:]) in {(1, "while"), (1, "more)")}


async def test_several_at_once_each_has_its_outcome(hubctl, objects):
    await objects.make(RELEASE, "good", RELEASED)
    await objects.make(RELEASE, "bad", RELEASED)
    async with objects.answering(RELEASE, "good", RELEASED), objects.answering(RELEASE, "bad", BROKEN):
        ran = await hubctl("reconcile", "hr", "good", "bad")
    assert ran.code == 1
    assert "✔ HelmRelease good: applied revision 1.0.1" in ran.err
    assert "bad reconciliation failed: 'it broke'" in ran.err
    assert ran.err.splitlines()[-1] == "✗ 1 of 2 failed"
