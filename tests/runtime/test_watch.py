"""The watch on a real API server: speed, silence on objects, outages."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import statistics
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from hub.api.kind import Version
from hub.api.meta import SERVICE_ACCOUNTS, Api
from hub.api.registry import KINDS, kind_named
from hub.runtime.watch import MissingKinds, Watcher

HR = kind_named("HelmRelease")


def release(name, namespace, **spec):
    chart = {"spec": {"chart": "./c", "sourceRef": {"kind": "GitRepository", "name": "r"}}}
    return {
        "apiVersion": HR.api.api_version,
        "kind": "HelmRelease",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"interval": "1m", "chart": chart, **spec},
    }


class Told:
    """What the watcher told."""

    def __init__(self):
        self.events = []
        self.at = {}

    def __call__(self, kind, type_, raw):
        name = raw["metadata"]["name"]
        self.events.append((type_, name))
        self.at[(type_, name, raw["metadata"].get("resourceVersion"))] = asyncio.get_running_loop().time()

    def has(self, *event):
        return event in self.events


@asynccontextmanager
async def watching(config, **more):
    watcher, told = Watcher(config, KINDS, **more), Told()
    task = asyncio.create_task(watcher.run(told))
    synced = asyncio.create_task(watcher.synced.wait())
    try:
        await asyncio.wait({task, synced}, timeout=30, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        assert watcher.synced.is_set()
        told.watching = watcher
        yield told
    finally:
        synced.cancel()
        task.cancel()
        await asyncio.gather(task, synced, return_exceptions=True)


async def until_followed(client, told, namespace, eventually):
    """Wait until kopf delivers: from its list first, then from its stream."""
    await client.apply(HR.api, release(f"probe-{namespace}", namespace))
    await eventually(lambda: told.has("ADDED", f"probe-{namespace}"))
    await asyncio.sleep(0.3)
    await client.patch(HR.api, f"probe-{namespace}", namespace, {"spec": {"interval": "5m"}})
    await eventually(lambda: told.has("MODIFIED", f"probe-{namespace}"))


async def test_everything_is_told_once_and_in_order(client, config, namespace, eventually):
    await client.apply(HR.api, release("before", namespace))
    async with watching(config, namespaces=[namespace]) as told:
        assert told.events == [("ADDED", "before")]
        await until_followed(client, told, namespace, eventually)
        await client.patch(HR.api, "before", namespace, {"spec": {"interval": "2m"}})
        await client.delete(HR.api, "before", namespace)
        await eventually(lambda: told.has("DELETED", "before"))
        await client.apply(HR.api, release("before", namespace))
        await eventually(lambda: told.events.count(("ADDED", "before")) == 2)
    history = [type_ for type_, name in told.events if name == "before"]
    assert history == ["ADDED", "MODIFIED", "DELETED", "ADDED"]


async def test_events_come_within_twenty_milliseconds(client, config, namespace, eventually):
    async with watching(config) as told:
        await until_followed(client, told, namespace, eventually)
        late, name = [], f"probe-{namespace}"
        for number in range(20):
            answer = await client.patch(HR.api, name, namespace, {"spec": {"interval": f"{number + 10}m"}})
            answered = asyncio.get_running_loop().time()
            mark = ("MODIFIED", name, answer["metadata"]["resourceVersion"])
            await eventually(lambda mark=mark: mark in told.at, 5, lambda: list(told.at))
            late.append((told.at[mark] - answered) * 1000)
    print(f"event after the answer to the write: median {statistics.median(late):.1f} ms, max {max(late):.1f} ms")
    assert statistics.median(late) < 20


async def test_nothing_is_left_on_objects(client, config, namespace, eventually):
    await client.apply(HR.api, release("clean", namespace))
    before = await client.get(HR.api, "clean", namespace)
    async with watching(config, namespaces=[namespace]) as told:
        await until_followed(client, told, namespace, eventually)
        touched = await client.patch(HR.api, "clean", namespace, {"metadata": {"labels": {"a": "b"}}})
        await eventually(lambda: told.has("MODIFIED", "clean"))
        await asyncio.sleep(0.2)  # time in which a mark would be made
    after = await client.get(HR.api, "clean", namespace)
    assert after == touched
    assert set(after["metadata"]) - set(before["metadata"]) == {"labels"}
    events = await client.list(replace(HR.api, group="", version="v1", kind="Event", plural="events"), namespace)
    assert not events.items


async def test_signal_handlers_and_foreign_tasks_stay(config):
    loop = asyncio.get_running_loop()
    seen = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, seen.set)
    before = dict(loop._signal_handlers)
    foreign = None
    try:
        async with watching(config):
            await asyncio.sleep(0.3)  # kopf is up
            foreign = asyncio.create_task(asyncio.Event().wait())
        assert dict(loop._signal_handlers) == before
        assert not foreign.done()
    finally:
        foreign.cancel()
        loop.remove_signal_handler(signal.SIGUSR1)
    left = [task.get_name() for task in asyncio.all_tasks() if "kopf" in repr(task.get_coro())]
    assert left == []


async def test_namespaces_and_labels_narrow_the_view(client, config, namespace, eventually):
    await client.apply(HR.api, {**release("other", namespace)})
    async with watching(config, namespaces=[namespace], label_selector="team=a") as told:
        assert told.events == []
        mine = release("mine", namespace)
        mine["metadata"]["labels"] = {"team": "a"}
        await asyncio.sleep(0)
        await client.apply(HR.api, mine)
        await eventually(lambda: told.has("ADDED", "mine"))
        await client.patch(HR.api, "mine", namespace, {"metadata": {"labels": {"team": "b"}}})
        await eventually(lambda: told.has("DELETED", "mine"))
    assert {name for _, name in told.events} == {"mine"}


async def test_missing_definitions_are_named(clusters):
    from hub.kube.config import load_kubeconfig

    member = load_kubeconfig(clusters.members[0].kubeconfig)
    unknown = replace(HR, api=Api("nowhere.example.com", "v1", "Nothing", "nothings"), versions=(Version("v1"),))
    with pytest.raises(MissingKinds, match=r"nothings\.nowhere\.example\.com/v1.*hubctl install"):
        await asyncio.wait_for(Watcher(member, [unknown]).run(lambda *_: None), 20)


async def test_an_outage_is_survived_and_nothing_is_missed(  # noqa: PLR0917  # fixtures
    client, clusters, linked, link, namespace, eventually, caplog
):
    """The history of the outage is lost: the API server restarts, and its watch cache starts anew."""
    caplog.set_level(logging.INFO, "hub")
    for name in ("stays", "goes", "changes", "returns"):
        await client.apply(HR.api, release(name, namespace))
    async with watching(linked, namespaces=[namespace]) as told:
        await until_followed(client, told, namespace, eventually)
        link.cut()
        await client.patch(HR.api, "changes", namespace, {"spec": {"interval": "9m"}})
        await client.delete(HR.api, "goes", namespace)
        await client.delete(HR.api, "returns", namespace)
        await client.apply(HR.api, release("returns", namespace))
        await clusters.hub.stop_apiserver()
        await clusters.hub.start_apiserver()
        await eventually(lambda: "Lost the watched cluster" in caplog.text, 20)
        link.mend()
        await eventually(lambda: told.has("DELETED", "goes"), 30, lambda: told.events)
        await eventually(lambda: told.has("MODIFIED", "changes"), 30, lambda: told.events)
        await eventually(lambda: told.events.count(("ADDED", "returns")) == 2, 30, lambda: told.events)
        await client.apply(HR.api, release("new", namespace))
        await eventually(lambda: told.has("ADDED", "new"), 10, lambda: told.events)
        assert "The watched cluster is back" in caplog.text
    assert [e for e in told.events if e[1] == "stays"] == [("ADDED", "stays")]
    assert [e for e, name in told.events if name == "returns"] == ["ADDED", "DELETED", "ADDED"]
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_credentials_that_are_refused_for_a_while(  # noqa: PLR0917  # fixtures
    client, linked, link, namespace, eventually, caplog, tmp_path
):
    """A token that rotates late: the watch waits, says so once in a while, and goes on with the next token."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "w", "namespace": namespace}}
    await client.apply(SERVICE_ACCOUNTS, account)
    binding = {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "w", "namespace": namespace}],
    }
    api = Api("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False)
    metadata = {"name": f"w-{namespace}"}
    await client.apply(api, {"apiVersion": api.api_version, "kind": api.kind, "metadata": metadata, **binding})
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path, headers = SERVICE_ACCOUNTS.path("w", namespace, "token"), {"Content-Type": "application/json"}
    async with client.raw("POST", path, headers=headers, body=json.dumps(request).encode()) as response:
        token = (await response.json())["status"]["token"]
    file = tmp_path / "token"
    file.write_text(token)
    try:
        async with watching(
            replace(linked, client_cert=b"", client_key=b"", token_file=str(file)), namespaces=[namespace]
        ) as told:
            await until_followed(client, told, namespace, eventually)
            file.write_text("expired")
            link.cut()
            await client.apply(HR.api, release("late", namespace))
            await eventually(lambda: "Lost the watched cluster" in caplog.text, 10)
            link.mend()
            await asyncio.sleep(0)
            told.watching._client._transport._credentials._identity = None  # a minute passes
            await eventually(lambda: "does not accept our credentials" in caplog.text, 20, lambda: caplog.text)
            file.write_text(token)
            await eventually(lambda: told.has("ADDED", "late"), 40, lambda: caplog.text)
    finally:
        await client.delete(api, metadata["name"])
    assert "Traceback" not in caplog.text
    assert caplog.text.count("does not accept our credentials") < 10
