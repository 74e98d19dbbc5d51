"""Events on a real API server."""

from __future__ import annotations

import asyncio

import pytest

from hub.api.meta import EVENTS
from hub.api.registry import kind_named
from hub.runtime.events import Recorder

HR = kind_named("HelmRelease")


@pytest.fixture
def resource(namespace):
    metadata = {"name": "app", "namespace": namespace, "uid": "u1", "resourceVersion": "5"}
    return HR.model.model_validate({"apiVersion": HR.api.api_version, "kind": "HelmRelease", "metadata": metadata})


async def written(client, namespace):
    listed = await client.list(EVENTS, namespace)
    return sorted(listed.items, key=lambda one: one.get("message", ""))


async def test_an_event_as_kubectl_describe_shows_it(client, clusters, namespace, resource):
    recorder = Recorder(client)
    recorder.warning(resource, "UpgradeFailed", "no luck", annotations={"helm.toolkit.fluxcd.io/revision": "1"})
    await recorder.aclose()
    (event,) = await written(client, namespace)
    assert event["involvedObject"] == {
        "apiVersion": HR.api.api_version, "kind": "HelmRelease", "name": "app", "namespace": namespace, "uid": "u1",
    }  # fmt: skip
    assert (event["type"], event["reason"], event["message"], event["count"]) == (
        "Warning",
        "UpgradeFailed",
        "no luck",
        1,
    )
    assert event["source"] == {"component": "hub"}
    assert event["metadata"]["annotations"] == {"helm.toolkit.fluxcd.io/revision": "1"}
    shown = await clusters.hub.kubectl_async("get", "events", "-n", namespace)
    assert "helmrelease/app" in shown


async def test_the_same_event_is_counted(client, namespace, resource):
    recorder = Recorder(client)
    for _ in range(5):
        recorder.normal(resource, "Same", "again")
    recorder.normal(resource, "Same", "other words")
    await recorder.aclose()
    assert [(one["message"], one["count"]) for one in await written(client, namespace)] == [
        ("again", 5),
        ("other words", 1),
    ]


async def test_an_event_that_was_deleted_is_written_anew(client, namespace, resource, eventually):
    recorder = Recorder(client)
    recorder.normal(resource, "Same", "again")
    await recorder._queue.join()
    (event,) = await written(client, namespace)
    await client.delete(EVENTS, event["metadata"]["name"], namespace)
    recorder.normal(resource, "Same", "again")
    await recorder.aclose()
    assert len(await written(client, namespace)) == 1


async def test_one_object_cannot_flood(client, namespace, resource):
    recorder = Recorder(client)
    for number in range(60):
        recorder.normal(resource, "Flood", f"number {number}")
    await recorder.aclose()
    assert len(await written(client, namespace)) == 25


@pytest.mark.parametrize(
    "message",
    [pytest.param("x" * 5000, id="long"), pytest.param("ä" * 1000, id="long in bytes"), pytest.param("", id="empty")],
)
async def test_any_message_is_taken(client, namespace, resource, message):
    recorder = Recorder(client)
    recorder.warning(resource, "Any", message)
    await recorder.aclose()
    (event,) = await written(client, namespace)
    assert len(event.get("message", "").encode()) <= 1024


async def test_an_outage_of_a_second_loses_nothing(linked, link, client, namespace, resource):
    from hub.kube.client import Client

    through = Client(linked)
    recorder = Recorder(through)
    link.cut()
    recorder.normal(resource, "Late", "but told")
    await asyncio.sleep(0.2)
    link.mend()
    await recorder.aclose(10)
    await through.aclose()
    assert [one["message"] for one in await written(client, namespace)] == ["but told"]


async def test_a_refusal_and_an_end_are_quick(client, resource):
    recorder = Recorder(client)
    resource.metadata.namespace = "no-such-namespace"
    recorder.normal(resource, "Lost", "nobody hears")
    async with asyncio.timeout(2):
        await recorder.aclose()
