"""Webhooks as Git servers and registries call them: over HTTP, on a real API server."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io
import json

import aiohttp
from sources_harness import condition

TOKEN = "a-token-nobody-knows"
PUSH = json.dumps({"ref": "refs/heads/master", "repository": {"full_name": "org/app"}}).encode()


def signed(body=PUSH, token=TOKEN, event="push"):
    """The headers that GitHub sends with a body."""
    return {
        "X-GitHub-Event": event,
        "X-Hub-Signature": "sha1=" + hmac.new(token.encode(), body, "sha1").hexdigest(),
        "X-Hub-Signature-256": "sha256=" + hmac.new(token.encode(), body, "sha256").hexdigest(),
        "Content-Type": "application/json",
    }


def of(kind="GitRepository", name="app", **more):
    return {"kind": kind, "name": name} | more


async def install(hooked, type_="github", *, name="hook", token=TOKEN, resources=None, **spec):
    await hooked.secret("token", token=token)
    wanted = {"type": type_, "secretRef": {"name": "token"}, "resources": resources or [of()]}
    await hooked.receiver(name, wanted | spec)
    return await hooked.path(name)


async def test_a_push_is_fetched_at_once(hooked, repo):
    await hooked.apply("GitRepository", "app", {"url": repo.url("app"), "interval": "10h"})
    await hooked.ready("gitrepository", "app", f"master@sha1:{repo.first}")
    path = await install(hooked, events=["PING", "Push"])
    second = await repo.commit("app", {"a.txt": "2"}, message="More")
    assert await hooked.call(path, PUSH, **signed()) == (200, "ok\n")
    found = await hooked.ready("gitrepository", "app", f"master@sha1:{second}")
    asked = found["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"]
    assert asked.endswith(" +0000 UTC")
    assert found["status"]["lastHandledReconcileAt"] == asked


async def test_the_path_is_the_one_of_flux(hooked):
    path = await install(hooked)
    wanted = "/hook/" + hashlib.sha256(f"{TOKEN}hook{hooked.namespace}".encode()).hexdigest()
    assert path == wanted
    found = await hooked.get("receiver", "hook")
    assert condition(found, "Ready")["reason"] == "Succeeded"
    assert condition(found, "Ready")["message"] == f"Receiver initialized for path: {wanted}"
    assert found["metadata"]["finalizers"] == ["finalizers.fluxcd.io"]
    assert found["spec"]["interval"] == "10m"
    event = await hooked.event("hook", "Normal", "Succeeded")
    assert event["message"] == "Reconciliation finished, next run in 10m0s"
    await hooked.kubectl("delete", "receiver", "hook", "--timeout=10s")
    assert await hooked.call(path, PUSH, **signed()) == (404, "not found\n")


async def test_what_is_not_signed_does_nothing(hooked, repo):
    await hooked.apply("GitRepository", "app", {"url": repo.url("app")})
    path = await install(hooked, events=["push"])
    for headers in (
        {},
        signed(token="another"),
        signed(body=b"another"),
        signed(event="issues"),
        {"X-Hub-Signature-256": "md5=00"},
    ):
        status, text = await hooked.call(path, PUSH, **headers)
        assert status == 400, headers
        assert TOKEN not in text
    assert await hooked.asked("gitrepository", "app") is None


async def test_who_is_not_called_so_is_not_found(hooked):
    path = await install(hooked)
    wrong = path[:-1] + ("0" if path[-1] != "0" else "1")
    for other in ("/", "/hook/", wrong, path + "/", "/hook/..", path.upper()):
        assert await hooked.call(other, PUSH, **signed()) == (404, "not found\n"), other


async def test_a_suspended_receiver_is_not_available_and_a_suspended_object_is_asked(hooked, repo):
    await hooked.apply("GitRepository", "rests", {"url": repo.url("app"), "suspend": True})
    path = await install(hooked, resources=[of(name="rests")])
    assert (await hooked.call(path, PUSH, **signed()))[0] == 200
    assert await hooked.asked("gitrepository", "rests") is not None
    await hooked.kubectl("patch", "receiver", "hook", "--type=merge", '--patch={"spec":{"suspend":true}}')
    await until(lambda: hooked.call(path, PUSH, **signed()), (503, "suspended\n"))
    before = await hooked.asked("gitrepository", "rests")
    assert (await hooked.call(path, PUSH, **signed()))[0] == 503
    assert await hooked.asked("gitrepository", "rests") == before


async def test_another_token_gives_another_path(hooked):
    old = await install(hooked, "generic", resources=[of(name="*", matchLabels={"a": "b"})])
    assert (await hooked.call(old))[0] == 200
    await hooked.secret("token", token="another")
    found = await hooked.until("receiver", "hook", lambda one: one["status"]["webhookPath"] != old)
    assert (await hooked.call(old))[0] == 404
    assert (await hooked.call(found["status"]["webhookPath"]))[0] == 200


async def test_without_a_token_there_is_no_path(hooked):
    await hooked.receiver("hook", {"type": "github", "secretRef": {"name": "token"}, "resources": [of()]})
    found = await hooked.failed("receiver", "hook", "TokenNotFound")
    where = f"{hooked.namespace}/token"
    assert condition(found, "Ready")["message"].startswith(f"unable to read token from secret '{where}' error: ")
    await hooked.secret("token", other="x")
    wanted = f"invalid '{where}' secret data: required fields 'token'"
    await hooked.until("receiver", "hook", lambda one: condition(one, "Ready")["message"] == wanted)
    await hooked.secret("token", token=TOKEN)
    path = await hooked.path("hook")
    await hooked.kubectl("delete", "secret", "token")
    found = await hooked.failed("receiver", "hook", "TokenNotFound")
    assert "webhookPath" not in found["status"]
    assert (await hooked.call(path, PUSH, **signed()))[0] == 404


ANY = {"name": "*", "matchLabels": {"a": "b"}}


STALLS = {
    "everything": ({"resources": [of(name="*")]}, "ValidationFailed", "has the name '*' but no matchLabels"),
    "filter": ({"resourceFilter": "req.("}, "InvalidCELExpression", "spec.resourceFilter: "),
    "of-one": ({"resources": [of(**ANY, filter="!")]}, "InvalidCELExpression", "spec.resources[0].filter: "),
    "namespace": ({"resources": [of(namespace="default")]}, "AccessDenied", "cross-namespace references"),
}
"""Specs that cannot work, by name of the Receiver: what they say, the reason, and part of the message."""


async def test_bad_specs_stall(hooked):
    await hooked.secret("token", token=TOKEN)
    common = {"type": "generic", "secretRef": {"name": "token"}, "resources": [of()]}
    for name, (spec, _, _) in STALLS.items():
        await hooked.receiver(name, common | spec)
    prefix = "Reconciliation failed terminally due to configuration error: "
    for name, (_, reason, message) in STALLS.items():
        found = await hooked.failed("receiver", name, reason)
        assert message in condition(found, "Ready")["message"], name
        assert condition(found, "Stalled")["status"] == "True"
        assert condition(found, "Ready")["message"].startswith(prefix) == (reason != "AccessDenied")


async def test_a_spec_that_was_broken_is_not_called(hooked, repo):
    await hooked.apply("GitRepository", "app", {"url": repo.url("app")})
    path = await install(hooked, "generic")
    patch = {"spec": {"resources": [of(name="*")]}}
    await hooked.kubectl("patch", "receiver", "hook", "--type=merge", f"--patch={json.dumps(patch)}")
    await hooked.failed("receiver", "hook", "ValidationFailed")
    assert await hooked.call(path) == (503, "not ready\n")
    assert await hooked.asked("gitrepository", "app") is None


async def test_labels_and_filters_choose(hooked, repo):
    for name, labels in {"web": {"team": "a"}, "api": {"team": "a"}, "other": {"team": "b"}}.items():
        await hooked.apply("GitRepository", name, {"url": repo.url("app")}, labels=labels)
        await hooked.ready("gitrepository", name)
    path = await install(
        hooked,
        "generic",
        resources=[of(name="*", matchLabels={"team": "a"}, filter="has(req.image)")],
        resourceFilter="req.image.endsWith('/' + res.metadata.name)",
    )
    assert (await hooked.call(path, b'{"image": "registry.example.com/web"}'))[0] == 200
    assert await hooked.asked("gitrepository", "web") is not None
    assert await hooked.asked("gitrepository", "api") is None
    assert await hooked.asked("gitrepository", "other") is None
    assert await hooked.call(path, b"image=web") == (400, "the body is not JSON\n")
    assert (await hooked.call(path, b'{"other": 1}'))[0] == 500  # an expression that cannot be evaluated
    assert (await hooked.event("hook", "Warning", "FilterFailed"))["message"].count("cannot be evaluated") == 1


async def test_what_is_missing_does_not_keep_the_others(hooked, repo):
    await hooked.apply("GitRepository", "app", {"url": repo.url("app")})
    await hooked.ready("gitrepository", "app")
    resources = [of(name="gone"), of(kind="ArtifactGenerator", name="x"), of()]
    path = await install(hooked, "generic", resources=resources)
    status, text = await hooked.call(path)
    assert (status, text.split()[0]) == (500, "2")
    assert await hooked.asked("gitrepository", "app") is not None
    assert "'gone' is not there" in (await hooked.event("hook", "Warning", "NotFound"))["message"].replace(
        f"{hooked.namespace}/", ""
    )
    assert "ArtifactGenerator" in (await hooked.event("hook", "Warning", "UnknownKind"))["message"]


async def test_old_versions_are_read(hooked, repo):
    await hooked.apply("GitRepository", "app", {"url": repo.url("app")})
    await hooked.ready("gitrepository", "app")
    await hooked.secret("token", token=TOKEN)
    wanted = {"type": "gitlab", "secretRef": {"name": "token"}, "events": ["push hook"], "resources": [of()]}
    await hooked.receiver("hook", wanted, version="v1beta1")
    path = await hooked.path("hook")
    status, _ = await hooked.call(path, PUSH, X_Gitlab_Token=TOKEN, X_Gitlab_Event="Push Hook")
    assert status == 200
    assert await hooked.asked("gitrepository", "app") is not None


async def test_calls_are_bounded(hooked):
    path = await install(hooked, "generic", resources=[of(name="*", matchLabels={"a": "b"})])
    status, text = await hooked.call(path, io.BytesIO(b"x" * ((5 << 20) + 1)))
    assert (status, text) == (413, f"the body is larger than {5 << 20} bytes\n")
    assert await hooked.call(path, b"as it comes", Content_Encoding="gzip") == (200, "ok\n")
    assert [await hooked.call(path) for _ in range(59)] == [(200, "ok\n")] * 59
    for _ in range(300):  # meanwhile some more are allowed, one a second
        if (answer := await hooked.call(path)) != (200, "ok\n"):
            break
    assert answer == (429, "called too often\n")


async def test_bodies_that_never_end_do_not_take_all_memory(hooked):
    """So many at a time hold a body; whoever comes then is told to come again."""
    path = await install(hooked)
    ends = asyncio.Event()

    async def endless():
        yield b"{"
        await ends.wait()

    async def slow(session):
        async with session.post(f"http://{hooked.hooks.address}{path}", data=endless()) as answer:
            return answer.status

    async with aiohttp.ClientSession() as session:
        calls = [asyncio.create_task(slow(session)) for _ in range(20)]
        await until(lambda: done(calls), 4)
        assert {call.result() for call in calls if call.done()} == {503}
        ends.set()
        statuses = await asyncio.gather(*calls)
    assert sorted(statuses) == [400] * 16 + [503] * 4, "the others are read to the end, and not signed"


async def done(tasks):
    return sum(task.done() for task in tasks)


async def until(ask, wanted, seconds=10.0):
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        if (found := await ask()) == wanted:
            return
        assert loop.time() < deadline, found
        await asyncio.sleep(0.05)
