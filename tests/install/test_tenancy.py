"""Tenants: what one namespace may not do to another, with the hub's tenancy flags."""

from __future__ import annotations

import pytest
from scenario_match import Re

from hub.api.helm import HelmRelease

pytestmark = pytest.mark.cluster

FLAGS = ("--no-cross-namespace-refs", "--default-service-account=deployer", "--watch-namespace=${ns}")


def release(name, **more):
    chart = {"chart": {"spec": {"chart": "./web", "sourceRef": {"kind": "GitRepository", "name": "charts"}}}}
    return {
        "apiVersion": HelmRelease.KIND.api.api_version,
        "kind": "HelmRelease",
        "metadata": {"name": name},
        "spec": {
            "interval": "1h",
            "timeout": "20s",
            "releaseName": name,
            "targetNamespace": "${ns}",
            "kubeConfig": {"secretRef": {"name": "member1"}},
            **({} if "chartRef" in more else chart),
            **more,
        },
    }


def account(name):
    """Return a service account that may do everything in the tenant's namespace on the member, and nothing outside."""
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "${ns}"}}
    yield {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": "${ns}"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "${ns}"}],
    }


async def test_a_tenant_cannot_read_or_touch_what_is_anothers(hub_with_rights, installed):
    async with hub_with_rights("tenancy", *FLAGS) as scene:
        await scene.given("namespaces: {member1: ['${ns}', '${target}']}")
        await scene.apply("member1", *account("deployer"), *account("other"))
        chart = {"chart": "./web", "sourceRef": {"kind": "GitRepository", "name": "charts"}}
        await scene.apply(
            "hub",
            release("own"),
            release("named", serviceAccountName="other"),
            release("nobody", serviceAccountName="nobody"),
            release("trespasser", targetNamespace="${target}"),
            release("storing", storageNamespace="${target}"),
            release(
                "foreign", chart={"spec": {**chart, "sourceRef": {**chart["sourceRef"], "namespace": "elsewhere"}}}
            ),
            release("borrowing", chartRef={"kind": "HelmChart", "name": "web", "namespace": "elsewhere"}),
        )
        await scene.world.hub.start()
        for name in ("own", "named"):
            await scene.expect({f"HelmRelease/{name}": {"conditions": {"Ready": "True InstallSucceeded"}}})
        for name in ("nobody", "trespasser", "storing"):
            refused = {"status": "False", "message": Re("forbidden")}
            await scene.expect({f"HelmRelease/{name}": {"conditions": {"Ready": refused}}})
        for name, target in (
            ("foreign", "HelmChart elsewhere/${ns}-foreign"),
            ("borrowing", "HelmChart elsewhere/web"),
        ):
            message = f"cross-namespace references are not allowed: cannot access {target}"
            denied = {"status": "False", "reason": "AccessDenied", "message": message}
            await scene.expect(
                {f"HelmRelease/{name}": {"conditions": {"Ready": denied, "Stalled": "True AccessDenied"}}}
            )
        found = scene.world.sites["member1"]
        assert await found.list("Deployment", scene.names["target"]) == []
        assert await found.list("Secret", scene.names["target"], labels="owner=helm") == []


async def test_objects_of_other_namespaces_are_not_looked_at(hub_with_rights, installed, namespace):
    chart = {"spec": {"chart": "./web", "sourceRef": {"kind": "GitRepository", "name": "charts"}}}
    spec = {"interval": "1h", "chart": chart, "kubeConfig": {"secretRef": {"name": "member1"}}}
    async with hub_with_rights("watched", "--watch-namespace=${ns}") as scene:
        await scene.given("namespaces: {member1: ['${ns}', '${target}']}")
        installed.cluster.apply(namespace, {**release("web"), "spec": spec})
        await scene.apply("hub", release("web"))
        await scene.world.hub.start()
        await scene.expect({"HelmRelease/web": {"conditions": {"Ready": "True InstallSucceeded"}}})
        other = installed.cluster.get("helmrelease/web", namespace)
        assert "finalizers" not in other["metadata"]
        assert other["status"].get("conditions") is None
