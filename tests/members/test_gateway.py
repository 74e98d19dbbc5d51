"""Real helm through the gateway to a real API server."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace

import aiohttp
import pytest

from hub.kube.config import ClusterConfig
from hub.members.gateway import Gateway
from hub.members.slots import Limits, Slots
from hub.release.helm import HelmFailed, InstallOptions, UninstallOptions, Wait

pytestmark = pytest.mark.cluster

ORIGIN = "helm.toolkit.fluxcd.io/name"


@pytest.fixture
def live(clusters):
    return clusters.members[0]


@pytest.fixture
async def installed(bench):
    await bench.install()
    return bench


async def test_records_go_to_their_namespace_and_objects_to_theirs(installed, live):
    records = live.get("secrets", installed.store)["items"]
    assert [one["metadata"]["name"] for one in records] == ["sh.helm.release.v1.web.v1"]
    assert records[0]["metadata"]["labels"]["status"] == "deployed"
    assert live.get("secrets", installed.app)["items"] == []
    assert live.get("configmap/web", installed.app)["data"] == {"message": "hi"}


async def test_labels_are_on_objects_and_not_on_records(installed, live):
    labels = live.get("deployment/web", installed.app)["metadata"]["labels"]
    assert labels == {"tier": "web", "app.kubernetes.io/managed-by": "Helm", ORIGIN: "web"}
    record = live.get("secret/sh.helm.release.v1.web.v1", installed.store)
    assert ORIGIN not in record["metadata"]["labels"]


async def test_every_write_is_known(installed):
    record = f"Secret/{installed.store}/sh.helm.release.v1.web.v1"
    writes = [(write.method, write.object, write.status, write.storage) for write in installed.session.writes]
    assert writes == [
        ("POST", record, 201, True),
        ("PATCH", f"ConfigMap/{installed.app}/web", 201, False),
        ("PATCH", f"Deployment/{installed.app}/web", 201, False),
        ("PUT", record, 200, True),
    ]


async def test_uninstall_finds_what_install_stored(installed, live):
    async with installed.run() as run:
        await installed.helm.uninstall(run, UninstallOptions(wait=Wait.HOOKS))
    assert live.get("secrets", installed.store)["items"] == []
    assert live.get("deployments", installed.app)["items"] == []


async def test_the_kubeconfig_lives_as_long_as_the_run(bench):
    async with bench.run() as run:
        text = run.kubeconfig.read_text()
        assert bench.member.client.config.server not in text
    assert not run.kubeconfig.exists()
    run.kubeconfig.write_text(text)
    with pytest.raises(HelmFailed):
        await bench.helm.install(run, bench.chart, {})


async def test_what_a_kill_left_behind_is_removed(tmp_path):
    folder = tmp_path / "gateway"
    folder.mkdir()
    (folder / "7.kubeconfig").write_text("{}")
    gateway = Gateway(folder)
    await gateway.start()
    assert list(folder.iterdir()) == []
    await gateway.stop()


class TestForce:
    async def test_without_it_an_immutable_field_is_an_error(self, installed):
        with pytest.raises(HelmFailed, match=r"spec\.selector.*field is immutable"):
            await installed.upgrade({"app": "other"})

    async def test_with_it_the_object_is_made_anew_in_one_revision(self, installed, live):
        before = live.get("deployment/web", installed.app)["metadata"]["uid"]
        done = await installed.upgrade({"app": "other"}, force=True)
        after = live.get("deployment/web", installed.app)
        assert done.revision == 2
        assert installed.session.replaced == [f"Deployment/{installed.app}/web"]
        assert after["metadata"]["uid"] != before
        assert after["spec"]["selector"]["matchLabels"] == {"app": "other"}
        assert after["metadata"]["labels"][ORIGIN] == "web"

    async def test_an_object_that_is_wrong_besides_stays(self, installed, live):
        before = live.get("deployment/web", installed.app)["metadata"]["uid"]
        with pytest.raises(HelmFailed, match="must be greater than or equal to 0"):
            await installed.upgrade({"app": "other", "replicas": -1}, force=True)
        assert installed.session.replaced == []
        assert live.get("deployment/web", installed.app)["metadata"]["uid"] == before

    async def test_an_object_that_does_not_go_is_told_by_helm(self, installed, live):
        def patch(finalizers):
            change = json.dumps({"metadata": {"finalizers": finalizers}})
            live.kubectl("patch", "deployment", "web", "-n", installed.app, "--type=merge", "-p", change)

        patch(["example.com/stay"])
        try:
            with pytest.raises(HelmFailed, match="field is immutable"):
                await installed.upgrade({"app": "other"}, force=True, replace_timeout=0.5)
            assert installed.session.replaced == []
        finally:
            patch(None)


async def test_definitions_and_what_they_define_in_one_run(bench, add_to_chart, live):
    plural = f"things{bench.app.removeprefix('test-')}"
    kind = plural.capitalize()
    definition = f"""
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.example.com}}
spec:
  group: example.com
  scope: Namespaced
  names: {{plural: {plural}, singular: {plural}, kind: {kind}}}
  versions: [{{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object}}}}}}]
"""
    thing = f"{{apiVersion: example.com/v1, kind: {kind}, metadata: {{name: one}}}}"
    add_to_chart({"crds/crd.yaml": definition, "templates/thing.yaml": thing})
    try:
        await bench.install()
        assert live.get(f"{plural}/one", bench.app)["kind"] == kind
    finally:
        live.kubectl("delete", "crd", f"{plural}.example.com", "--wait=false")


async def test_a_large_release_passes(bench, add_to_chart):
    noise = "".join(f"{i * 7919 % 1_000_003:x}" for i in range(150_000))
    add_to_chart({"files/noise.txt": noise})
    assert (await bench.install()).revision == 1


async def test_a_run_that_only_waits_gives_its_slot_back(bench, make_member):
    bench.member = make_member(slots=Slots(Limits(writing=1, writing_per_member=1)))
    slow = {"replicas": 1, "minReadySeconds": 300}
    options = InstallOptions(wait=Wait.WATCHER, timeout=60)
    async with bench.member.turn() as turn:
        waiting = asyncio.create_task(bench.install(slow, options=options, turn=turn))
        async with asyncio.timeout(20), bench.member.turn():
            assert not waiting.done()
            assert turn.parked
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert bench.session.writes[-1].storage, "helm stores its verdict when it is told to stop"


class TestUnreachable:
    @pytest.fixture
    def nowhere(self, make_member, unused_tcp_port):
        config = ClusterConfig(server=f"https://127.0.0.1:{unused_tcp_port}")
        return make_member(config, name="ns/nowhere")

    async def test_helm_is_told_at_once(self, bench, nowhere):
        bench.member = nowhere
        began = time.monotonic()
        with pytest.raises(HelmFailed) as failed:
            await bench.install()
        assert time.monotonic() - began < 5
        assert bench.session.secret not in failed.value.message
        message = bench.session.unreachable.message
        assert message.startswith("member 'ns/nowhere' is unreachable since 20")
        assert message.endswith(f"{nowhere.client.address} refused the connection")
        assert nowhere.breaker.since is not None

    async def test_others_notice_nothing(self, bench, nowhere):
        lost = replace(bench, member=nowhere)
        results = await asyncio.gather(lost.install(), bench.install(), return_exceptions=True)
        assert isinstance(results[0], HelmFailed)
        assert results[1].revision == 1
        assert lost.session.unreachable is not None
        assert bench.session.unreachable is None


class TestCredentials:
    @pytest.fixture
    def refused(self, member_config):
        return ClusterConfig(server=member_config.server, ca=member_config.ca, token="wrong")

    async def test_refused_ones_are_known(self, bench, make_member, refused):
        bench.member = make_member(refused)
        with pytest.raises(HelmFailed):
            await bench.install()
        assert bench.session.unauthorized
        assert bench.session.unreachable is None

    async def test_new_ones_are_used_within_the_run(self, bench, make_member, refused, member_config):
        good = make_member()
        old = []

        async def renew(member):
            old.append(member.replace_client(good.client, member_config.digest))
            return True

        bench.member = make_member(refused, renew=renew)
        assert (await bench.install()).revision == 1
        assert not bench.session.unauthorized
        assert len(old) == 1
        await old[0].aclose()


class TestPlainHttp:
    """What a tool other than helm sees."""

    @pytest.fixture
    async def session(self, bench):
        async with bench.run():
            yield bench.session

    @pytest.fixture
    async def http(self):
        async with aiohttp.ClientSession() as http:
            yield http

    @pytest.mark.parametrize("path", ["/", "/api", "/wrong/api/v1/namespaces"])
    async def test_a_stranger_is_refused(self, http, session, path):
        address = session.server.rpartition("/")[0]
        async with http.get(address + path, headers={"Authorization": "Bearer x"}) as answer:
            assert answer.status == 403
            assert (await answer.json())["kind"] == "Status"

    async def test_protocols_are_not_switched(self, http, session):
        headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
        async with http.get(f"{session.server}/api/v1/namespaces", headers=headers) as answer:
            assert answer.status == 501

    async def test_our_identity_replaces_theirs(self, http, session):
        headers = {"Authorization": "Bearer wrong", "Impersonate-User": "nobody"}
        async with http.get(f"{session.server}/api/v1/namespaces", headers=headers) as answer:
            assert answer.status == 200

    async def test_a_watch_flows_and_ends_with_its_client(self, http, session, bench, live, eventually):
        url = f"{session.server}/api/v1/namespaces/{bench.app}/configmaps?watch=1&fieldSelector=metadata.name%3Dseen"
        async with http.get(url) as answer:
            await live.kubectl_async("create", "configmap", "seen", "-n", bench.app)
            async with asyncio.timeout(5):
                event = json.loads(await answer.content.readline())
            assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "seen")
            assert _in_use(bench.member) == 1
        await eventually(lambda: _in_use(bench.member) == 0)


def _in_use(member):
    """Connections to the member that wait for an answer or carry one."""
    pools = member.client._transport._pools.values()
    return sum(len(pool.connector._acquired) for pool in pools)
