"""Verbs that change or follow something, and who may: on a real API server, with statuses as a hub would write them."""

import asyncio
import json
import re

import pytest
import yaml
from cli_kit import Hubctl, artifact, plain

from hub.api.helm import HelmRelease
from hub.api.meta import EVENTS, SECRETS
from hub.api.source import GitRepository
from hub.errors import NotFound

pytestmark = pytest.mark.cluster

RELEASE, GIT = HelmRelease.KIND, GitRepository.KIND
FETCHED = {"conditions": [("Ready", "True", "Succeeded", "stored")], "artifact": artifact("main@sha1:" + "ab" * 20)}
URL = ["--url", "https://git.example.com/x.git", "--branch", "main"]


async def test_create_then_update(hubctl, objects, eventually):
    ran = await hubctl("create", "source", "git", "repo", *URL, "--label", "team=a", "--no-wait")
    assert (ran.code, ran.err) == (0, f"✔ GitRepository repo created in {objects.namespace} namespace\n")
    creating = asyncio.create_task(
        hubctl("create", "source", "git", "repo", *URL, "--label", "tier=b", "--interval", "9m")
    )

    async def updated():
        return (await objects.read(GIT, "repo"))["spec"]["interval"] == "9m0s"

    await eventually(updated)
    await objects.write(GIT, "repo", **FETCHED)
    ran = await creating
    assert ran.err.splitlines()[0] == f"✔ GitRepository repo updated in {objects.namespace} namespace"
    assert ran.err.splitlines()[-1] == "✔ GitRepository repo is ready, revision main@sha1:abababab"
    there = await objects.read(GIT, "repo")
    assert there["metadata"]["labels"] == {"team": "a", "tier": "b"}
    assert there["spec"]["ref"] == {"branch": "main"}


async def test_what_is_exported_can_be_applied(hubctl, objects, clusters):
    args = ["hr", "web", "--source", "GitRepository/repo", "--chart", "./web", "--values-from", "Secret/s"]
    made = await hubctl("create", *args, "--export")
    clusters.hub.kubectl("apply", "-f", "-", input=made.out)
    exported = await hubctl("export", "hr", "web")
    assert yaml.safe_load(exported.out)["spec"]["valuesFrom"] == yaml.safe_load(made.out)["spec"]["valuesFrom"]
    assert "status" not in yaml.safe_load(exported.out)
    clusters.hub.kubectl("apply", "-f", "-", input=exported.out)


async def test_the_api_server_has_the_last_word_on_a_spec(hubctl):
    ran = await hubctl("create", "hr", "web", "--chart", "./web", "--source", "Nope/x", "--no-wait")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "Unsupported value" in ran.err


async def test_secrets(hubctl, objects):
    ran = await hubctl("create", "secret", "git", "login", "--username", "me", "--password", "-", typed="hush\n")
    assert ran.code == 0, ran.err
    assert "hush" not in ran.err + ran.out
    there = await objects.client.get(SECRETS, "login", objects.namespace)
    assert there["data"] == {"username": "bWU=", "password": "aHVzaA=="}
    ran = await hubctl("create", "secret", "oci", "registry", "--url", "ghcr.io", "-u", "me", "-p", "hush")
    assert ran.code == 0, ran.err
    there = await objects.client.get(SECRETS, "registry", objects.namespace)
    assert there["type"] == "kubernetes.io/dockerconfigjson"


async def test_delete_tells_what_goes_and_asks(hubctl, objects):
    await objects.make(GIT, "repo")
    await objects.make(
        RELEASE, "web", chart={"spec": {"chart": "x", "sourceRef": {"kind": "GitRepository", "name": "repo"}}}
    )
    asked = await hubctl("delete", "source", "git", "repo")
    assert asked.code == 1
    assert f"without it HelmRelease/{objects.namespace}/web cannot be renewed" in asked.err
    assert "there is nobody to ask; say --yes" in asked.err
    no = await hubctl.on_a_terminal("delete", "source", "git", "repo", typed="n\n")
    assert (no.code, "Are you sure?" in no.out) == (130, True)
    assert await objects.read(GIT, "repo")
    typo = await hubctl("delete", "source", "git", "repo", "rpeo", "--yes")
    assert (typo.code, typo.err) == (
        1,
        f"✗ GitRepository object 'rpeo' not found in \"{objects.namespace}\" namespace; did you mean 'repo'?\n",
    )
    assert await objects.read(GIT, "repo")
    yes = await hubctl.on_a_terminal("delete", "source", "git", "repo", typed="y\n")
    assert yes.code == 0
    assert "✔ GitRepository repo deleted" in plain(yes.out)
    with pytest.raises(NotFound):
        await objects.read(GIT, "repo")


async def test_an_object_that_is_being_deleted(hubctl, objects):
    await objects.make(RELEASE, "web")
    await objects.client.patch(
        RELEASE.api, "web", objects.namespace, {"metadata": {"finalizers": ["example.com/keep"]}}
    )
    waited = await hubctl("delete", "hr", "web", "--yes", "--timeout", "500ms")
    assert waited.code == 1
    assert "is still being deleted after 0.5 s, kept by example.com/keep" in waited.err
    for verb in ("reconcile", "suspend", "resume", "rollback"):
        ran = await hubctl(verb, "hr", "web")
        assert (ran.code, ran.err.count("\n")) == (1, 1), verb
        assert f"HelmRelease {objects.namespace}/web is being deleted since" in ran.err
    await objects.client.patch(RELEASE.api, "web", objects.namespace, {"metadata": {"finalizers": None}})


async def test_acting_as_somebody_else(hubctl, objects, clusters):
    await objects.make(RELEASE, "web")
    user = f"system:serviceaccount:{objects.namespace}:default"
    ran = await hubctl("get", "hr", "--as", user)
    assert ran.code == 1
    assert f'User "{user}" cannot list resource "helmreleases"' in ran.err
    ran = await hubctl("suspend", "hr", "web", "--as", "jane")
    assert 'User "jane" cannot get resource "helmreleases"' in ran.err
    ran = await hubctl(
        "get", "hr", "-o", "name", "--as", "jane", "--as-group", "readers", "--as-group", "system:masters"
    )
    assert (ran.code, ran.out) == (0, "helmrelease.helm.toolkit.fluxcd.io/web\n")
    assert (await hubctl("get", "hr", "--as-group", "readers")).code == 2


async def test_events_as_they_happen(hubctl, objects):
    async with hubctl.following("events", "--watch", "--types", "Warning") as printed:
        about = {
            "apiVersion": RELEASE.api.api_version,
            "kind": "HelmRelease",
            "name": "web",
            "namespace": objects.namespace,
        }
        for level, reason in (("Normal", "Fine"), ("Warning", "Trouble")):
            body = {
                "metadata": {"generateName": "e-"},
                "involvedObject": about,
                "type": level,
                "reason": reason,
                "message": "m",
            }
            await objects.client.create(EVENTS, body, objects.namespace)
        lines = [(await asyncio.wait_for(printed.readline(), 30)).decode().split() for _ in range(2)]
    assert lines[0][:2] == ["LAST", "SEEN"]
    assert lines[1][1:] == ["Warning", "Trouble", "HelmRelease/web", "m"]


async def test_status_as_it_changes(hubctl, objects):
    await objects.make(GIT, "repo", FETCHED)
    async with hubctl.following("status", "--watch") as printed:
        async with asyncio.timeout(30):
            while b"1 ready" not in await printed.readline():
                pass
        await objects.write(GIT, "repo", conditions=[("Ready", "False", "X", "it broke")])
        async with asyncio.timeout(30):
            while not re.search(rb"GitRepository/\S+/repo .*it broke", await printed.readline()):
                pass


async def test_stats(hubctl, objects):
    await objects.make(GIT, "one", FETCHED | {"artifact": FETCHED["artifact"] | {"size": 3 << 20}})
    await objects.make(GIT, "two", suspend=True)
    ran = await hubctl("stats")
    rows = {line.split()[0]: line.split()[1:] for line in ran.lines}
    assert rows["RECONCILERS"] == ["RUNNING", "FAILING", "SUSPENDED", "STORAGE"]
    assert rows["GitRepository"] == ["1", "0", "1", "3.0", "MiB"]
    assert rows["HelmRelease"] == ["0", "0", "0", "-"]


async def test_version(hubctl):
    found = json.loads((await hubctl("version", "-o", "json")).out)
    assert found["kubernetes"].startswith("v1.")


async def test_a_cluster_without_the_kinds(hubctl, clusters):
    for verb in (
        ["stats"],
        ["status"],
        ["get", "all"],
        ["tree", "hr", "x"],
        ["trace", "pod", "x"],
        ["diff", "hr", "x"],
    ):
        ran = await hubctl(*verb, kubeconfig=clusters.members[0].kubeconfig)
        assert (ran.code, ran.err.count("\n")) == (2 if verb[0] == "diff" else 1, 1), (verb, ran.err)
        assert "'hubctl install' installs" in ran.err


async def test_the_names_of_objects_are_completed(objects, clusters):
    await objects.make(RELEASE, "web")
    hubctl = Hubctl(clusters.hub.kubeconfig, objects.namespace)
    words = f"hubctl -n {objects.namespace} get hr w"
    ran = await hubctl.completing(words)
    assert ran.out.split() == ["plain,web"]


async def test_trace_follows_the_owners_of_an_object_on_the_hub(hubctl, objects, clusters):
    await objects.make(RELEASE, "web")
    labels = {"helm.toolkit.fluxcd.io/name": "web", "helm.toolkit.fluxcd.io/namespace": objects.namespace}
    clusters.hub.apply(
        objects.namespace, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "labels": labels}}
    )
    ran = await hubctl("trace", "cm", "x")
    assert ran.lines[0].split() == ["Object:", f"ConfigMap/{objects.namespace}/x"]
    assert ["HelmRelease:", "web"] in [line.split() for line in ran.lines]
    assert ["GitRepository:", f"{objects.namespace}/git-repo"] in [line.split() for line in ran.lines]
