"""A release on a cluster that a ConfigMap names: here the hub's own, which trusts the tokens that it makes."""

from __future__ import annotations

import pytest
from scenario_match import Re
from scenario_scene import Scene

from hub.kube.config import load_kubeconfig

pytestmark = pytest.mark.cluster
GIVEN = """
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: web}
spec:
  interval: 1h
  chart:
    spec:
      chart: ./web
      sourceRef: {kind: GitRepository, name: charts}
      reconcileStrategy: Content
  kubeConfig: {configMapRef: {name: remote}}
---
defaults: false
source: false
"""
SOURCE = {
    "apiVersion": "source.toolkit.fluxcd.io/v1",
    "kind": "GitRepository",
    "metadata": {"name": "charts"},
    "spec": {"interval": "1h", "url": "${git}", "ref": {"branch": "master"}},
}


def objects(namespace):
    """The account and what it may do."""
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"}
    return (
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "deployer"}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "deployer"},
            "roleRef": role,
            "subjects": [{"kind": "ServiceAccount", "name": "deployer", "namespace": namespace}],
        },
    )


async def test_a_release_by_config_map(world):
    """What is missing is told; once it is there the account's tokens install and upgrade."""
    host = load_kubeconfig(world.sites["hub"].kubeconfig)

    def named(account):
        data = {"provider": "generic", "address": host.server, "ca.crt": host.ca.decode()}
        data |= {"audiences": "https://kubernetes.default.svc", "serviceAccountName": account}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "remote"}, "data": data}

    async with Scene(world, "config-map") as scene:
        await scene.given(GIVEN)
        await scene.apply("hub", SOURCE)
        absent = {"reason": "RESTClientError", "message": Re("could not get KubeConfig configmap '.*/remote'")}
        await scene.expect({"HelmRelease/web": {"conditions": {"Ready": absent}}})
        await scene.apply("hub", named("nobody"), *objects(scene.names["ns"]))
        missing = Re('failed to create a token of service account .*serviceaccounts "nobody" not found')
        await scene.expect({"HelmRelease/web": {"conditions": {"Ready": {"status": "False", "message": missing}}}})
        await scene.apply("hub", named("deployer"))
        await scene.expect({"HelmRelease/web": {"conditions": {"Ready": "True InstallSucceeded"}}})
        await scene.push({"web/values.yaml": {"replicas": 2}})
        await scene.expect({"HelmRelease/web": {"conditions": {"Ready": "True UpgradeSucceeded"}}})
        await scene.expect({"hub:Deployment/web": {"spec": {"replicas": 2}}})
