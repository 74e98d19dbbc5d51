"""Members by their kubeconfig Secret, which real API servers keep and answer to."""

from __future__ import annotations

import asyncio
import base64
import time

import pytest
import yaml
from prometheus_client import generate_latest

from hub.api.meta import NAMESPACES, SECRETS, KubeConfig
from hub.errors import Forbidden, MemberUnreachable, NotFound, Transient, Unauthorized
from hub.kube.client import Client
from hub.kube.config import load_kubeconfig
from hub.members.pool import Change, Pool
from hub.runtime.secrets import SecretReader
from hub.settings import RunSettings, SecuritySettings

pytestmark = pytest.mark.cluster


@pytest.fixture
async def hub(clusters):
    client = Client(load_kubeconfig(clusters.hub.kubeconfig))
    yield client
    await client.aclose()


@pytest.fixture
async def pool(hub):
    pool = Pool(hub, SecretReader(hub), SecuritySettings(), RunSettings())
    yield pool
    await pool.aclose()


@pytest.fixture
def good(clusters):
    return clusters.members[0].kubeconfig.read_text()


def annotated(namespace, rate, **data):
    metadata = {"name": "m", "namespace": namespace, "annotations": {"hubctl.io/requests-per-second": rate}}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded}


class Desk:
    """Writes the Secret ``m`` of a namespace, and asks a pool for the member that it stands for."""

    def __init__(self, hub, namespace, pool):
        self._hub = hub
        self._pool = pool
        self.namespace = namespace

    def put(self, **data):
        encoded = {key.replace("_", "."): base64.b64encode(value.encode()).decode() for key, value in data.items()}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "m"}, "data": encoded}
        self._hub.apply(self.namespace, secret)

    async def get(self, key=None, *, user=None, pool=None):
        named = KubeConfig.model_validate({"secretRef": {"name": "m"} | ({"key": key} if key else {})})
        return await (pool or self._pool).get(self.namespace, named, user)


@pytest.fixture
def desk(clusters, namespace, pool):
    return Desk(clusters.hub, namespace, pool)


def kubeconfig(cluster=None, user=None):
    """A kubeconfig as text."""
    return yaml.safe_dump({
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": "https://127.0.0.1:1", **(cluster or {})}}],
        "users": [{"name": "x", "user": user or {}}],
    })  # fmt: skip


@pytest.mark.parametrize(
    ("data", "key"),
    [
        pytest.param(["value"], "", id="value"),
        pytest.param(["value_yaml"], "", id="value.yaml"),
        pytest.param(["mine"], "mine", id="a key of one's own"),
    ],
)
async def test_where_a_kubeconfig_is_found(desk, good, data, key):
    desk.put(**dict.fromkeys(data, good))
    member = await desk.get(key)
    assert member.name == f"{desk.namespace}/m" + (f":{key}" if key else "")
    assert await member.client.probe() == "ok"


async def test_the_hub_is_a_member_too(pool, hub, namespace):
    member = await pool.get(namespace, None, None)
    assert (member.name, member.client) == ("hub", hub)


async def test_a_member_is_made_once(desk, good):
    desk.put(value=good)
    assert await desk.get() is await desk.get()


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        pytest.param("", "", "does not contain a 'value' or 'value.yaml' key with data", id="empty"),
        pytest.param("x", "other", "does not contain a 'other' key with data", id="key missing"),
        pytest.param("a: [", "", "cannot be used: kubeconfig is not YAML", id="not YAML"),
        pytest.param("[]", "", "cannot be used: kubeconfig is not a mapping", id="not a mapping"),
        pytest.param(
            kubeconfig(user={"exec": {"command": "aws", "apiVersion": "v1"}}),
            "",
            "exec plugins are refused unless the hub runs with --insecure-kubeconfig-exec",
            id="exec plugin",
        ),
        pytest.param(
            kubeconfig(user={"tokenFile": "/etc/passwd"}), "", "tokenFile is a path, which is refused", id="token file"
        ),
        pytest.param(
            kubeconfig(cluster={"certificate-authority": "/etc/ca.crt"}),
            "",
            "certificate-authority is a path, which is refused",
            id="authority file",
        ),
        pytest.param(
            kubeconfig(cluster={"insecure-skip-tls-verify": True}),
            "",
            "insecure-skip-tls-verify is refused unless the hub runs with --insecure-kubeconfig-tls",
            id="insecure TLS",
        ),
    ],
)
async def test_what_a_bad_kubeconfig_gets(desk, text, key, message):
    desk.put(value=text)
    with pytest.raises(Transient) as failed:
        await desk.get(key)
    assert failed.value.reason == "RESTClientError"
    assert failed.value.message.startswith(f"KubeConfig secret '{desk.namespace}/m' ")
    assert message in failed.value.message


async def test_what_a_missing_secret_gets(desk):
    with pytest.raises(Transient) as failed:
        await desk.get()
    assert failed.value.reason == "RESTClientError"
    assert failed.value.message == (f"""could not get KubeConfig secret '{desk.namespace}/m': secrets "m" not found""")
    assert isinstance(failed.value.__cause__, NotFound)


async def test_a_flag_allows_it(hub, desk, good):
    desk.put(value=good.replace("certificate-authority-data:", "insecure-skip-tls-verify: true\n    x:"))
    pool = Pool(hub, SecretReader(hub), SecuritySettings(insecure_kubeconfig_tls=True), RunSettings())
    member = await desk.get(pool=pool)
    assert await member.client.probe() == "ok"
    await pool.aclose()


async def test_a_rotated_secret_needs_no_restart(desk, clusters, good):
    desk.put(value=good)
    member = await desk.get()
    first = member.client
    desk.put(value=clusters.members[1].kubeconfig.read_text())
    again = await desk.get()
    assert again is member
    assert member.client is not first
    assert member.client.config.server == load_kubeconfig(clusters.members[1].kubeconfig).server


async def test_refused_credentials_are_read_again_once(hub, desk, good, monkeypatch):
    monkeypatch.setattr("hub.members.pool._ENOUGH", 0.0)  # seconds between two such readings
    document = yaml.safe_load(good)
    document["users"][0]["user"] = {"token": "wrong"}
    desk.put(value=yaml.safe_dump(document))
    secrets = SecretReader(hub)
    watching = asyncio.create_task(secrets.run())  # from now on the reader keeps what it has read
    pool = Pool(hub, secrets, SecuritySettings(), RunSettings())
    try:
        member = await desk.get(pool=pool)
        with pytest.raises(Unauthorized):
            await member.call(lambda client: client.list(NAMESPACES))
        desk.put(value=good)
        results = await asyncio.gather(*(member.call(lambda client: client.list(NAMESPACES)) for _ in range(5)))
        assert all(result.items for result in results)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await pool.aclose()


async def test_whom_it_acts_as(desk, good):
    desk.put(value=good)
    member = await desk.get(user="deployer")
    with pytest.raises(Forbidden, match=f"system:serviceaccount:{desk.namespace}:deployer"):
        await member.client.list(SECRETS, desk.namespace)


async def test_a_lost_member_is_told_at_once_and_found_again(desk, clusters, eventually):
    live = clusters.members[1]
    desk.put(value=live.kubeconfig.read_text())
    member = await desk.get()
    await live.stop_apiserver()
    try:
        with pytest.raises(MemberUnreachable, match=f"member '{desk.namespace}/m' is unreachable since 20.*refused"):
            await member.call(lambda client: client.list(NAMESPACES))
        began = time.monotonic()
        with pytest.raises(MemberUnreachable):
            await desk.get()
        assert time.monotonic() - began < 5  # and not after a timeout of its own
        other = await desk.get(user="deployer")
        pytest.fail(f"{other.name} is the same cluster")
    except MemberUnreachable:
        pass
    finally:
        await live.start_apiserver()

    async def found():
        try:
            return await desk.get()
        except MemberUnreachable:
            return None

    assert await eventually(found) is member
    assert member.breaker.since is None


async def test_a_rate_of_its_own(hub, desk, good):
    desk.put(value=good)
    member = await desk.get()
    assert member.throttle.rate == 100
    await hub.apply(SECRETS, annotated(desk.namespace, "7", value=good), manager="kubectl-client-side-apply")
    assert await desk.get() is member
    assert member.throttle.rate == 7
    await hub.apply(SECRETS, annotated(desk.namespace, "many", value=good), manager="kubectl-client-side-apply")
    with pytest.raises(Transient, match=r"annotation hubctl\.io/requests-per-second is 'many', not a number from 1 on"):
        await desk.get()
    assert member.throttle.rate == 7


async def test_changes_are_told(hub, desk, clusters, good, eventually):
    pool, told = Pool(hub, SecretReader(hub), SecuritySettings(), RunSettings()), []
    pool.subscribe(lambda *change: told.append(change))
    live = clusters.members[1]
    desk.put(value=live.kubeconfig.read_text())
    try:
        member = await desk.get(pool=pool)
        await eventually(lambda: told == [(desk.namespace, "m", Change.WATCHED)])
        await live.stop_apiserver()
        with pytest.raises(MemberUnreachable):
            await member.call(lambda client: client.list(NAMESPACES))
        assert told[-1] == (desk.namespace, "m", Change.LOST)
        await live.start_apiserver()
        await eventually(lambda: (desk.namespace, "m", Change.BACK) in told)
        await eventually(lambda: told[-1] == (desk.namespace, "m", Change.WATCHED))
    finally:
        await live.start_apiserver()
        await pool.aclose()


async def test_a_member_nobody_needs_is_let_go(desk, pool, good):
    desk.put(value=good)
    member = await desk.get()
    await member.call(lambda client: client.list(NAMESPACES))
    assert f'member="{member.name}"' in generate_latest().decode()
    pool.drop(desk.namespace, "m")
    assert f'member="{member.name}"' not in generate_latest().decode()
    again = await desk.get()
    assert again is not member
    assert await again.client.probe() == "ok"
