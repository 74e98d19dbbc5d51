"""The hub with a token of the chart's ServiceAccount: no call is refused, and no right is there for nothing."""

from __future__ import annotations

import json

import pytest
from install_kit import documents, granted, template, used
from scenario_match import Absent, Not, Re

from hub.api.fleet import Member
from hub.api.helm import HelmRelease
from hub.api.registry import KINDS
from hub.api.source import GitRepository, HelmChart
from hub.kube.config import load_kubeconfig

pytestmark = pytest.mark.cluster
ISSUER = "https://kubernetes.default.svc"
USER = "system:serviceaccount:hub-system:hub"
PLAYED = (GitRepository.KIND, HelmChart.KIND, HelmRelease.KIND, Member.KIND)
"""Kinds that the main scenario has objects of."""
OF_OTHERS = {("", "serviceaccounts", "get"), ("", "namespaces", "get")}
"""Rights that the chart gives only where the definitions have OCIRepository, ImageRepository or ImagePolicy."""


def release(name, member):
    return {
        "apiVersion": HelmRelease.KIND.api.api_version,
        "kind": "HelmRelease",
        "metadata": {"name": name},
        "spec": {
            "interval": "1h",
            "releaseName": name,
            "targetNamespace": "${target}",
            "install": {"createNamespace": True},
            "kubeConfig": {"secretRef": {"name": member}},
            "valuesFrom": [{"kind": "ConfigMap", "name": "common"}, {"kind": "Secret", "name": "hidden"}],
            "chart": {
                "spec": {
                    "chart": "./web",
                    "sourceRef": {"kind": "GitRepository", "name": "charts"},
                    "reconcileStrategy": "Content",
                }
            },
        },
    }


def member(name):
    spec = {"interval": "1h", "kubeConfig": {"secretRef": {"name": name}}}
    return {"apiVersion": Member.KIND.api.api_version, "kind": "Member", "metadata": {"name": name}, "spec": spec}


def values(kind, name):
    field = "data" if kind == "ConfigMap" else "stringData"
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, field: {"values.yaml": "replicas: 2"}}


async def play(scene, members=("member1", "member2")):
    """Play the main scenario: one repository, two members, a push, a failure that repeats, a deletion."""
    await scene.apply("hub", values("ConfigMap", "common"), values("Secret", "hidden"))
    for name in members:
        await scene.apply("hub", release(name, name))
    await scene.apply("hub", *map(member, members[1:]))  # the first one is found by its release
    repository = GitRepository.KIND.api
    gone = {"interval": "1h", "url": "${git}-is-not-there"}
    broken = {"apiVersion": repository.api_version, "kind": "GitRepository", "metadata": {"name": "gone"}, "spec": gone}
    await scene.apply("hub", broken)
    await scene.world.hub.start()
    for name in members:
        await scene.expect({f"Member/{name}": {"conditions": {"Ready": {"status": "True"}}}})
        await scene.expect({f"HelmRelease/{name}": {"conditions": {"Ready": "True InstallSucceeded"}}})
    await scene.push({"web/values.yaml": {"replicas": 3, "message": "second"}})
    for name in members:
        await scene.expect({f"HelmRelease/{name}": {"conditions": {"Ready": "True UpgradeSucceeded"}}})
    await scene.step(f"delete HelmRelease/{members[0]}")
    await scene.expect({f"HelmRelease/{members[0]}": Absent()})
    await scene.expect({"events GitRepository/gone": [{"type": "Warning", "count": Not(1)}]})


def forbidden(events):
    """Return what the authorizer refused; other refusals (a namespace that is going) are not about rights."""
    return [
        f"{one['verb']} {one['requestURI']}"
        for one in events
        if one.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"
        or one.get("responseStatus", {}).get("code") == 401
    ]


async def test_the_main_scenario_uses_every_right_and_needs_no_other(hub_with_rights, installed):
    async with hub_with_rights("rights", "--leader-elect", "--lease-namespace=hub-system") as scene:
        await scene.given("defaults: true")
        await play(scene)
    events = installed.audited(USER)
    assert len(events) > 50
    assert forbidden(events) == []
    ran = await template(installed.helm, "--set=crds.install=false")
    roles = [one for one in documents(ran.out) if one["metadata"]["name"] in {"hub", "hub-leader"} and "rules" in one]
    rights = set().union(*(granted(role) for role in roles))
    not_played = {(kind.api.group, kind.api.plural) for kind in KINDS if kind not in PLAYED}
    unused = {
        right
        for right in rights - used(events)
        if (right[0], right[1].partition("/")[0]) not in not_played or right[2] in {"list", "watch"}
    }
    assert unused - OF_OTHERS == set()


TOKENS = {("", "serviceaccounts", "get"), ("", "serviceaccounts/token", "create")}
"""What the chart gives with rbac.serviceAccountTokens alone."""


async def test_tokens_of_service_accounts_need_a_right_that_is_asked_for(hub_with_rights, installed, monkeypatch):
    """Without it the condition says so; with it the accounts' tokens are used, and nothing more than the right."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")  # where nobody gives a role for a token
    host, cluster = load_kubeconfig(installed.cluster.kubeconfig), installed.cluster
    named = {"provider": "generic", "address": host.server, "ca.crt": host.ca.decode(), "audiences": ISSUER}
    cloud = {"provider": "aws", "cluster": "arn:aws:eks:eu-west-1:123456789012:cluster/prod"}
    account = {"serviceAccountName": "deployer"}
    role = {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/deploy"}
    async with hub_with_rights("tokens") as scene:
        await scene.given("defaults: true")
        ns = scene.names["ns"]
        deployer = {"kind": "ServiceAccount", "metadata": {"name": "deployer", "annotations": role}}
        await scene.apply(
            "hub", {"apiVersion": "v1"} | deployer, values("ConfigMap", "common"), values("Secret", "hidden")
        )
        await bind(cluster, "admin", f"{ns}:deployer", namespace=ns)
        for name, data in {"named": named, "cloud": cloud}.items():
            config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data | account}
            web = release(name, "member1")
            web["spec"] |= {"kubeConfig": {"configMapRef": {"name": name}}, "targetNamespace": "${ns}", "install": {}}
            await scene.apply("hub", config, web)
        await scene.world.hub.start()
        for name in ("named", "cloud"):
            refused = {
                "status": "False",
                "message": Re("its chart gives that right with rbac.serviceAccountTokens=true"),
            }
            await scene.expect({f"HelmRelease/{name}": {"conditions": {"Ready": refused}}})
        before = len(installed.audited(USER))
        ran = await template(installed.helm, "--set=crds.install=false,rbac.serviceAccountTokens=true")
        (more,) = [one for one in documents(ran.out) if one["metadata"]["name"] == "hub" and "rules" in one]
        more["rules"] = [one for one in more["rules"] if one["resources"][0].startswith("serviceaccounts")]
        assert granted(more) == TOKENS
        more["metadata"]["name"] = "hub-tokens"
        await cluster.kubectl_async("apply", "--filename=-", input=json.dumps(more))
        try:
            await bind(cluster, "hub-tokens", "hub-system:hub")
            for name in ("named", "cloud"):
                await scene.step(f"reconcile HelmRelease/{name}")
            await scene.expect({"HelmRelease/named": {"conditions": {"Ready": "True InstallSucceeded"}}})
            nobody = {
                "message": Re(f"no token from provider 'aws' for ServiceAccount '{ns}/deployer': 127.0.0.1:1 refused")
            }
            await scene.expect({"HelmRelease/cloud": {"conditions": {"Ready": nobody}}})
            events = installed.audited(USER)[before:]
            assert TOKENS - used(events) == set()
        finally:
            cluster.kubectl("delete", "clusterrole,clusterrolebinding", "hub-tokens")


async def bind(cluster, role, account, *, namespace=""):
    """Give a role to a ServiceAccount, in a namespace or everywhere."""
    where = ("rolebinding", "deployer", f"--namespace={namespace}") if namespace else ("clusterrolebinding", role)
    await cluster.kubectl_async("create", *where, f"--clusterrole={role}", f"--serviceaccount={account}")


async def test_a_namespaced_hub_needs_nothing_outside_its_namespace(hub_with_rights, installed):
    flags = ("--leader-elect", "--lease-namespace=${ns}", "--watch-namespace=${ns}")
    cluster = installed.cluster
    cluster.create_namespace("hub-tenant")
    try:
        cluster.kubectl("create", "serviceaccount", "hub", "--namespace=hub-tenant")
        async with hub_with_rights("tenant", *flags, namespace="hub-tenant") as scene:
            await scene.given("defaults: true")
            ns = scene.names["ns"]
            ran = await template(
                installed.helm, "--set=crds.install=false,rbac.scope=namespace", f"--set=settings.watchNamespace={ns}"
            )
            for one in documents(ran.out):
                if one["apiVersion"].startswith("rbac"):
                    assert not one["kind"].startswith("Cluster")
                    one["metadata"]["namespace"] = ns
                    for subject in one.get("subjects", ()):
                        subject["namespace"] = "hub-tenant"
                    await cluster.kubectl_async("apply", "--filename=-", input=json.dumps(one))
            await play(scene, members=("member1",))
        events = installed.audited("system:serviceaccount:hub-tenant:hub")
        assert len(events) > 30
        assert forbidden(events) == []
        assert {one["objectRef"].get("namespace") for one in events if "objectRef" in one} == {ns}
    finally:
        cluster.kubectl("delete", "namespace", "hub-tenant", "--wait=false")
