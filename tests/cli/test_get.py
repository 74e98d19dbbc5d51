import asyncio
import json

import pytest
import yaml
from cli_kit import artifact, snapshot

from hub.api.helm import HelmRelease
from hub.api.source import GitRepository, HelmChart

pytestmark = pytest.mark.cluster

RELEASE, GIT, CHART = HelmRelease.KIND, GitRepository.KIND, HelmChart.KIND
DONE = {"conditions": [("Ready", "True", "UpgradeSucceeded", "done")], "history": [snapshot(2, "1.0.0+5f0c7a91be02")]}
BROKEN = {"conditions": [("Ready", "False", "UpgradeFailed", "it\nbroke")]}
FETCHED = {"conditions": [("Ready", "True", "Succeeded", "stored")], "artifact": artifact("master@sha1:" + "ab" * 20)}


async def test_table(hubctl, objects):
    await objects.make(RELEASE, "one", DONE)
    await objects.make(RELEASE, "two", BROKEN, suspend=True)
    await objects.make(RELEASE, "three")
    ran = await hubctl("get", "hr")
    assert ran.lines == [
        "NAME   REVISION            SUSPENDED  READY  MESSAGE",
        "one    1.0.0+5f0c7a91be02  False      True   done",
        "three                      False      False  waiting to be reconciled",
        "two                        True       False  it broke",
    ]
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize(
    ("args", "names"),
    [
        pytest.param(["hr", "one"], ["one"], id="by name"),
        pytest.param(["hr", "two", "one"], ["one", "two"], id="by names"),
        pytest.param(["hr", "--status-selector", "Ready=False"], ["two"], id="by status"),
        pytest.param(["hr", "-l", "app=web"], ["one"], id="by label"),
        pytest.param(["sources", "git"], ["repo"], id="another kind"),
    ],
)
async def test_choice(hubctl, objects, args, names):
    await objects.make(RELEASE, "one", DONE)
    await objects.make(RELEASE, "two", BROKEN)
    await objects.make(GIT, "repo", FETCHED)
    await objects.client.patch(RELEASE.api, "one", objects.namespace, {"metadata": {"labels": {"app": "web"}}})
    ran = await hubctl("get", *args, "--no-header")
    assert [line.split()[0] for line in ran.lines] == names


async def test_everything_at_once_is_one_table_for_each_kind(hubctl, objects):
    await objects.make(RELEASE, "app", DONE)
    await objects.make(GIT, "repo", FETCHED)
    ran = await hubctl("get", "all")
    assert ran.lines == [
        "NAME                REVISION              SUSPENDED  READY  MESSAGE",
        "gitrepository/repo  master@sha1:abababab  False      True   stored",
        "",
        "NAME             REVISION            SUSPENDED  READY  MESSAGE",
        "helmrelease/app  1.0.0+5f0c7a91be02  False      True   done",
    ]


async def test_all_namespaces(hubctl, objects):
    await objects.make(RELEASE, "app", DONE)
    ran = await hubctl("get", "hr", "-A")
    assert ran.lines[0].split()[:2] == ["NAMESPACE", "NAME"]
    assert [objects.namespace, "app"] in [line.split()[:2] for line in ran.lines]


async def test_documents(hubctl, objects):
    await objects.make(RELEASE, "app", DONE)
    await objects.make(CHART, "chart")
    one = json.loads((await hubctl("get", "hr", "app", "-o", "json")).out)
    assert (one["kind"], one["metadata"]["name"]) == ("HelmRelease", "app")
    assert "managedFields" not in one["metadata"]
    several = yaml.safe_load((await hubctl("get", "all", "-o", "yaml")).out)
    assert [item["kind"] for item in several["items"]] == ["HelmChart", "HelmRelease"]
    assert (await hubctl("get", "hr", "-o", "name")).lines == ["helmrelease.helm.toolkit.fluxcd.io/app"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        pytest.param(
            ["hr"], 'no HelmRelease objects found in "{ns}" namespace (-A looks in all namespaces)', id="kind"
        ),
        pytest.param(["hr", "x"], "HelmRelease object 'x' not found in \"{ns}\" namespace", id="name"),
        pytest.param(["all"], 'no objects found in "{ns}" namespace (-A looks in all namespaces)', id="anything"),
    ],
)
async def test_nothing_found_is_an_error(hubctl, objects, args, says):
    ran = await hubctl("get", *args)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"✗ {says.format(ns=objects.namespace)}\n"


async def test_for_programs_nothing_found_is_an_empty_list(hubctl, objects):
    ran = await hubctl("get", "hr", "-o", "json")
    assert (ran.code, json.loads(ran.out)["items"]) == (0, [])


async def test_a_cluster_that_is_no_hub(hubctl, clusters):
    for args in (["hr"], ["hr", "app"], ["hr", "--watch"]):
        ran = await hubctl("get", *args, kubeconfig=clusters.members[0].kubeconfig)
        assert ran.code == 1
        assert "'hubctl install' installs the hub and its kinds" in ran.err


async def test_a_cluster_that_is_not_there(hubctl, clusters, tmp_path):
    dead = tmp_path / "dead.kubeconfig"
    config = json.loads(json.dumps(yaml.safe_load(clusters.hub.kubeconfig.read_text())))
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    dead.write_text(yaml.safe_dump(config))
    for args in (["hr"], ["hr", "--watch"], ["all"]):
        ran = await hubctl("get", *args, kubeconfig=dead)
        assert ran.code == 1
        assert ran.err.startswith("✗ cannot reach the hub's API server: 127.0.0.1:1 refused the connection")


async def test_a_user_who_may_not(hubctl, clusters, objects, tmp_path):
    account = f"system:serviceaccount:{objects.namespace}:default"
    token = clusters.hub.kubectl("create", "token", "default", "--namespace", objects.namespace)
    config = yaml.safe_load(clusters.hub.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token.strip()}
    (tmp_path / "limited").write_text(yaml.safe_dump(config))
    ran = await hubctl("get", "hr", kubeconfig=tmp_path / "limited")
    assert ran.code == 1
    assert f'User "{account}" cannot list resource "helmreleases"' in ran.err
    assert "ask whoever runs the hub" in ran.err


async def line(stream):
    return (await asyncio.wait_for(stream.readline(), 10)).decode().rstrip("\n")


async def test_watch_prints_what_changes_below_the_table(hubctl, objects):
    await objects.make(RELEASE, "app", DONE)
    async with hubctl.following("get", "hr", "--watch") as printed:
        assert (await line(printed)).split() == ["NAME", "REVISION", "SUSPENDED", "READY", "MESSAGE"]
        assert (await line(printed)).split()[-1] == "done"
        await objects.client.patch(RELEASE.api, "app", objects.namespace, {"metadata": {"labels": {"not": "shown"}}})
        await objects.write(RELEASE, "app", **BROKEN)
        assert (await line(printed)).split()[-2:] == ["it", "broke"]
        await objects.make(RELEASE, "new")
        assert (await line(printed)).startswith("new")
        await objects.client.delete(RELEASE.api, "app", objects.namespace)
        assert (await line(printed)).split() == ["app", "1.0.0+5f0c7a91be02", "False", "False", "deleted"]


async def test_watch_goes_on_when_the_api_server_was_away(hubctl, objects, clusters):
    await objects.make(RELEASE, "app", DONE)
    async with hubctl.following("get", "hr", "--watch", "-o", "name") as printed:
        assert (await line(printed)).endswith("/app")
        await clusters.hub.stop_apiserver()
        await clusters.hub.start_apiserver()
        await objects.make(RELEASE, "new")
        assert (await asyncio.wait_for(printed.readline(), 30)).decode().endswith("/new\n")


async def test_a_reader_that_has_seen_enough_is_no_error(hubctl, objects):
    await objects.make(RELEASE, "app", DONE)
    process = await hubctl.start("get", "hr", "-o", "yaml")
    process.stdout._transport.close()  # as ``| head`` does
    err = await process.stderr.read()
    await process.wait()
    assert err == b""
