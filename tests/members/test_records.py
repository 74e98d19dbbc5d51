"""What a watch of Helm's records tells, on a real API server: in the cluster, in namespaces, not at all."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace

import pytest

from hub.api.meta import SECRETS
from hub.kube.client import Client
from hub.members.records import Record, Records, Scope

pytestmark = pytest.mark.cluster


class Desk:
    """Writes records as Helm does, and follows them."""

    def __init__(self, client, namespace):
        self.client = client
        self.namespace = namespace
        self.told = []
        self.watching = client
        self.records = Records(lambda: self.watching, self.renew, lambda *one: self.told.append(one))
        self.renewed = None

    async def renew(self, refused):
        if self.renewed is None:
            return False
        self.watching = self.renewed
        return self.watching is not refused

    async def write(self, name="web", version=1, status="deployed"):
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "helm.sh/release.v1",
            "metadata": {
                "name": f"sh.helm.release.v1.{name}.v{version}",
                "namespace": self.namespace,
                "labels": {"owner": "helm", "name": name, "version": str(version), "status": status},
            },
            "data": {"release": base64.b64encode(b"x").decode()},
        }
        made = await self.client.apply(SECRETS, secret)
        return Record(made["metadata"]["name"], made["metadata"]["resourceVersion"])

    async def remove(self, record):
        await self.client.delete(SECRETS, record.secret, self.namespace)

    def note(self, record, name="web"):
        self.records.note(self.namespace, name, record)

    def is_newest(self, record, name="web"):
        return self.records.is_newest(self.namespace, name, record)


@pytest.fixture
async def admin(member_config):
    client = Client(member_config)
    yield client
    await client.aclose()


@pytest.fixture
async def desk(admin, namespace):
    desk = Desk(admin, namespace)
    yield desk
    await desk.records.aclose()


@pytest.fixture
async def client_of(clusters, member_config, namespace):
    """Make clients of service accounts: what they may do is a Role or ClusterRole for Secrets."""
    made = []

    async def make(name, *, everywhere=None, here=None):
        member = clusters.members[0]
        await member.kubectl_async("create", "serviceaccount", name, "-n", namespace)
        token = (await member.kubectl_async("create", "token", name, "-n", namespace)).strip()
        if everywhere or here:
            await allow(name, everywhere=everywhere, here=here)
        made.append(Client(replace(member_config, client_cert=b"", client_key=b"", token=token)))
        return made[-1]

    async def allow(name, *, everywhere=None, here=None):
        kind = "clusterrole" if everywhere else "role"
        names = [f"{namespace}-{name}", *([] if everywhere else ["-n", namespace])]
        member, verbs = clusters.members[0], everywhere or here
        await member.kubectl_async("create", kind, *names, f"--verb={verbs}", "--resource=secrets")
        await member.kubectl_async(
            "create", f"{kind}binding", *names, f"--{kind}={namespace}-{name}",
            f"--serviceaccount={namespace}:{name}",
        )  # fmt: skip

    yield make
    for client in made:
        await client.aclose()
    for kind in ("clusterrolebinding", "clusterrole"):
        found = await clusters.members[0].kubectl_async("get", kind, "-o", "name")
        mine = [one for one in found.split() if namespace in one]
        if mine:
            await clusters.members[0].kubectl_async("delete", *mine)


async def test_what_was_read_last_needs_no_second_look(desk, eventually):
    first = await desk.write()
    desk.note(first)
    assert not desk.is_newest(first), "nobody watches yet"
    desk.records.start()
    await eventually(lambda: desk.is_newest(first))
    assert desk.records.coverage.scope is Scope.CLUSTER
    second = await desk.write(version=2)
    await eventually(lambda: not desk.is_newest(first))
    await eventually(lambda: desk.is_newest(second))


async def test_what_others_change_is_told_and_what_we_write_is_not(desk, namespace, eventually):
    record = await desk.write()
    desk.note(record)
    desk.records.start()
    await eventually(lambda: desk.is_newest(record))

    desk.records.forget(namespace, "web")  # as before a run of helm
    ours = await desk.write(version=2)
    desk.note(ours)
    await eventually(lambda: desk.is_newest(ours))

    await desk.write(version=2, status="failed")  # as somebody's own helm
    await eventually(lambda: desk.told == [(namespace, "web")], seconds=5)

    now = await desk.write(version=2, status="failed")
    desk.note(now)
    await desk.remove(now)
    await eventually(lambda: len(desk.told) == 2, seconds=5)


async def test_somebody_elses_helm_may_end_first(desk, namespace, eventually):
    record = await desk.write()
    desk.note(record)
    desk.records.start()
    await eventually(lambda: desk.is_newest(record))
    await desk.write(version=2, status="pending-upgrade")
    await eventually(lambda: not desk.is_newest(record))
    await eventually(lambda: not desk.records._bursts._bursts)
    assert desk.told == []
    await desk.write(version=2)
    await eventually(lambda: desk.told == [(namespace, "web")], seconds=5)


async def test_ten_is_newer_than_nine(desk, eventually):
    await desk.write(version=9)
    ten = await desk.write(version=10)
    desk.note(ten)
    desk.records.start()
    await eventually(lambda: desk.is_newest(ten))


async def test_what_changed_while_nobody_watched_is_told_afterwards(desk, namespace, eventually):
    changed, gone, same = [await desk.write(name) for name in ("changed", "gone", "same")]
    for name, record in (("changed", changed), ("gone", gone), ("same", same)):
        desk.note(record, name)
    desk.records.start()
    await eventually(lambda: desk.is_newest(gone, "gone"))
    desk.records.stop()
    assert not desk.is_newest(same, "same"), "nobody can tell from the moment on that the credentials are others"
    await desk.write("changed", version=2)
    await desk.remove(gone)
    desk.records.start()
    await eventually(lambda: sorted(desk.told) == [(namespace, "changed"), (namespace, "gone")])
    assert desk.is_newest(same, "same")


async def test_one_namespace_when_all_are_refused(desk, client_of, namespace, eventually):
    desk.watching = await client_of("narrow", here="list,watch")
    record = await desk.write()
    desk.records.start()
    await eventually(lambda: "forbidden" in desk.records.coverage.why)
    desk.note(record)
    await eventually(lambda: desk.is_newest(record))
    assert desk.records.coverage.scope is Scope.NAMESPACES
    await desk.write(version=2)
    await eventually(lambda: desk.told == [(namespace, "web")], seconds=5)


async def test_nothing_is_vouched_for_when_nothing_may_be_watched(desk, client_of, eventually):
    desk.watching = await client_of("blind", here="list")
    record = await desk.write()
    desk.note(record)
    desk.records.start()
    await eventually(lambda: "cannot watch" in desk.records.coverage.why)
    assert not desk.is_newest(record)
    assert desk.records.coverage.scope is Scope.NONE


async def test_refused_credentials_are_renewed(desk, client_of, member_config, eventually):
    good = await client_of("wide", everywhere="list,watch")
    desk.watching = bad = Client(replace(member_config, client_cert=b"", client_key=b"", token="expired"))
    desk.renewed = good
    record = await desk.write()
    desk.note(record)
    desk.records.start()
    await eventually(lambda: desk.is_newest(record))
    assert desk.watching is good
    await bad.aclose()


async def test_it_ends_when_told(desk, eventually):
    desk.records.start()
    await eventually(lambda: desk.records.coverage.scope is Scope.CLUSTER)
    await desk.records.aclose()
    assert desk.records.coverage.scope is Scope.NONE
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "watch records"]
