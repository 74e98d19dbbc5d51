"""Secrets and ConfigMaps on a real API server: read once, never stale."""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from hub.api.meta import CONFIG_MAPS, SECRETS, Key
from hub.errors import Forbidden, NotFound
from hub.kube.client import Client
from hub.runtime.secrets import SecretReader


def secret(name, namespace, labels=None, **data):
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    metadata = {"name": name, "namespace": namespace, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded}


class Counting(Client):
    """A client that remembers what it read."""

    def __init__(self, config):
        super().__init__(config)
        self.reads = []

    async def get(self, api, name, namespace=None, *, metadata_only=False):
        self.reads.append(f"{api.kind}/{name}")
        return await super().get(api, name, namespace, metadata_only=metadata_only)


@asynccontextmanager
async def reading(config, eventually, namespace=""):
    client = Counting(config)
    reader, told = SecretReader(client, namespace), []
    reader.subscribe(told.append)
    task = asyncio.create_task(reader.run())
    try:
        await eventually(lambda: all(watch.live for watch in reader._watches.values()))
        yield reader, client, told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.aclose()


async def test_an_unchanged_secret_is_read_once(client, config, namespace, eventually):
    await client.apply(SECRETS, secret("s", namespace, password="1"))
    async with reading(config, eventually) as (reader, counting, told):
        results = await asyncio.gather(*(reader.get(namespace, "s") for _ in range(50)))
        assert {result.data["password"] for result in results} == {b"1"}
        assert counting.reads == ["Secret/s"]
        assert "password" not in repr(results[0])

        await client.apply(SECRETS, secret("s", namespace, password="2"))
        await eventually(lambda: Key("Secret", namespace, "s") in told)
        assert (await reader.get(namespace, "s")).data == {"password": b"2"}
        assert counting.reads == ["Secret/s"] * 2

        await client.delete(SECRETS, "s", namespace)
        await eventually(lambda: told.count(Key("Secret", namespace, "s")) == 2)
        with pytest.raises(NotFound):
            await reader.get(namespace, "s")


async def test_one_that_was_missing_is_announced_and_found(client, config, namespace, eventually):
    async with reading(config, eventually, namespace) as (reader, _, told):
        with pytest.raises(NotFound, match='secrets "s" not found'):
            await reader.get(namespace, "s")
        await client.apply(SECRETS, secret("s", namespace, a="b"))
        await eventually(lambda: told == [Key("Secret", namespace, "s")])
        assert (await reader.get(namespace, "s")).data == {"a": b"b"}


async def test_config_maps_too(client, config, namespace, eventually):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": namespace}}
    await client.apply(CONFIG_MAPS, {**body, "data": {"text": "ä"}, "binaryData": {"raw": "/w=="}})
    async with reading(config, eventually, namespace) as (reader, counting, _):
        for _ in range(2):
            assert (await reader.config_map(namespace, "c")).data == {"text": "ä".encode(), "raw": b"\xff"}
        assert counting.reads == ["ConfigMap/c"]


async def test_fresh_reads_whatever_is_held(client, config, namespace, eventually):
    await client.apply(SECRETS, secret("s", namespace, a="b"))
    async with reading(config, eventually, namespace) as (reader, counting, _):
        await reader.get(namespace, "s")
        await reader.fresh(namespace, "s")
        await reader.get(namespace, "s")
        assert len(counting.reads) == 2


async def test_what_the_watch_leaves_out_is_never_held(client, config, namespace, eventually):
    await client.apply(SECRETS, secret("mine", namespace, {"owner": "helm"}, a="1"))
    async with reading(config, eventually, namespace) as (reader, _, _):
        assert (await reader.get(namespace, "mine")).data == {"a": b"1"}
        await client.apply(SECRETS, secret("mine", namespace, {"owner": "helm"}, a="2"))
        assert (await reader.get(namespace, "mine")).data == {"a": b"2"}


async def test_nothing_is_stale_after_an_outage(client, linked, link, namespace, eventually):
    for name in ("changes", "stays", "goes"):
        await client.apply(SECRETS, secret(name, namespace, a="1"))
    async with reading(linked, eventually, namespace) as (reader, counting, told):
        for name in ("changes", "stays", "goes"):
            await reader.get(namespace, name)
        link.cut()
        await eventually(lambda: not reader._watches["Secret"].live)
        await client.apply(SECRETS, secret("changes", namespace, a="2"))
        await client.apply(SECRETS, secret("made", namespace, a="2"))
        await client.delete(SECRETS, "goes", namespace)
        link.mend()
        await eventually(lambda: reader._watches["Secret"].live)
        assert sorted(key.name for key in told) == ["changes", "goes", "made"]
        counting.reads.clear()
        assert (await reader.get(namespace, "changes")).data == {"a": b"2"}
        assert (await reader.get(namespace, "stays")).data == {"a": b"1"}
        assert counting.reads == ["Secret/changes"]
        with pytest.raises(NotFound):
            await reader.get(namespace, "goes")


async def test_where_watching_is_forbidden_every_call_reads(client, config, namespace, eventually, caplog):
    await client.apply(SECRETS, secret("s", namespace, a="1"))
    rbac = "rbac.authorization.k8s.io"
    role = {"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]}
    bind = {
        "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "getter"},
        "subjects": [{"kind": "User", "name": f"getter-{namespace}", "apiGroup": rbac}],
    }
    for kind, plural, more in (("Role", "roles", role), ("RoleBinding", "rolebindings", bind)):
        api = replace(SECRETS, group=rbac, kind=kind, plural=plural)
        metadata = {"name": "getter", "namespace": namespace}
        await client.apply(api, {"apiVersion": f"{rbac}/v1", "kind": kind, "metadata": metadata, **more})

    class Getter(Counting):
        def __init__(self, config):
            Client.__init__(self, config, impersonate=f"getter-{namespace}")
            self.reads = []

    counting = Getter(config)
    reader = SecretReader(counting, namespace)
    task = asyncio.create_task(reader.run())
    try:
        await eventually(lambda: caplog.text.count("references are read each time") == 2)
        for value in ("2", "3"):
            await client.apply(SECRETS, secret("s", namespace, a=value))
            assert (await reader.get(namespace, "s")).data == {"a": value.encode()}
        with pytest.raises(Forbidden):
            await reader.config_map(namespace, "c")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await counting.aclose()
