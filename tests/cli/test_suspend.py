import pytest
from cli_kit import snapshot

from hub.api.helm import HelmRelease

pytestmark = pytest.mark.cluster

RELEASE = HelmRelease.KIND
RELEASED = {"conditions": [("Ready", "True", "Succeeded", "done")], "history": [snapshot(2, "1.0.1")]}


async def is_suspended(objects, name):
    return (await objects.read(RELEASE, name))["spec"].get("suspend", False)


async def test_suspend(hubctl, objects):
    await objects.make(RELEASE, "app", RELEASED)
    ran = await hubctl("suspend", "hr", "app")
    assert (ran.code, await is_suspended(objects, "app")) == (0, True)
    assert ran.err.splitlines() == [
        f"► suspending HelmRelease app in {objects.namespace} namespace",
        "✔ HelmRelease app suspended",
    ]


async def test_a_missing_one_fails_and_the_others_are_suspended(hubctl, objects):
    await objects.make(RELEASE, "app", RELEASED)
    ran = await hubctl("suspend", "hr", "app", "nope")
    assert (ran.code, await is_suspended(objects, "app")) == (1, True)
    assert "HelmRelease object 'nope' not found" in ran.err


async def test_all_of_the_namespace(hubctl, objects):
    for name in ("one", "two"):
        await objects.make(RELEASE, name, RELEASED)
    assert (await hubctl("suspend", "hr", "--all")).code == 0
    assert [await is_suspended(objects, name) for name in ("one", "two")] == [True, True]
    assert (await hubctl("resume", "hr", "--all", "--no-wait")).code == 0
    assert [await is_suspended(objects, name) for name in ("one", "two")] == [False, False]


async def test_all_of_none(hubctl, objects):
    ran = await hubctl("suspend", "hr", "--all")
    assert (ran.code, ran.err) == (1, f'✗ no HelmRelease objects found in "{objects.namespace}" namespace\n')


async def test_resume_waits_until_the_object_is_ready(hubctl, objects):
    await objects.make(RELEASE, "app", RELEASED, suspend=True)
    async with objects.answering(RELEASE, "app", RELEASED):
        ran = await hubctl("resume", "hr", "app")
    assert (ran.code, await is_suspended(objects, "app")) == (0, False)
    assert ran.err.splitlines()[-1] == "✔ HelmRelease app is ready, revision 1.0.1"


async def test_resume_fails_when_it_does_not_get_ready(hubctl, objects):
    await objects.make(RELEASE, "app", RELEASED, suspend=True)
    ran = await hubctl("resume", "hr", "app", "--timeout", "1s")
    assert (ran.code, await is_suspended(objects, "app")) == (1, False)
