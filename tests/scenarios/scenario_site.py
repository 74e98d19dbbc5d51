"""Clusters as scenarios see them: objects by short references such as ``Deployment/web``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub.api.kind import Api
from hub.api.registry import KINDS
from hub.errors import Conflict, NotFound
from hub.kube.client import Client
from hub.kube.config import load_kubeconfig

if TYPE_CHECKING:
    from pathlib import Path

_OTHERS = (
    Api("", "v1", "Namespace", "namespaces", namespaced=False),
    Api("", "v1", "Secret", "secrets"),
    Api("", "v1", "ConfigMap", "configmaps"),
    Api("", "v1", "Service", "services"),
    Api("", "v1", "ServiceAccount", "serviceaccounts"),
    Api("", "v1", "Pod", "pods"),
    Api("", "v1", "Event", "events"),
    Api("apps", "v1", "Deployment", "deployments"),
    Api("batch", "v1", "Job", "jobs"),
    Api("rbac.authorization.k8s.io", "v1", "Role", "roles"),
    Api("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
    Api("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False),
    Api("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False),
    Api("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False),
)
APIS = {api.kind: api for api in (*(kind.api for kind in KINDS), *_OTHERS)}


@dataclass(frozen=True)
class Ref:
    """One object on one cluster."""

    site: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.site}:{self.kind}/{self.namespace}/{self.name}"


class Site:
    """One cluster."""

    def __init__(self, name: str, kubeconfig: Path) -> None:
        self.name = name
        self.kubeconfig = kubeconfig
        self.client = Client(load_kubeconfig(str(kubeconfig), None), name=name)

    async def get(self, ref: Ref) -> dict[str, Any] | None:
        try:
            found = await self.client.get(APIS[ref.kind], ref.name, ref.namespace)
        except NotFound:
            return None
        found["metadata"].pop("managedFields", None)
        return found

    async def list(self, kind: str, namespace: str | None = None, labels: str | None = None) -> list[dict[str, Any]]:
        return (await self.client.list(APIS[kind], namespace, labels=labels)).items

    async def apply(self, body: dict[str, Any], namespace: str) -> None:
        """Apply as kubectl would: its manager, the version that the object is written in."""
        api = APIS[body["kind"]]
        if "/" in body["apiVersion"]:
            group, version = body["apiVersion"].split("/")
            api = Api(group, version, api.kind, api.plural, namespaced=api.namespaced)
        if api.namespaced:
            body = {**body, "metadata": {"namespace": namespace, **body["metadata"]}}
        await self.client.apply(api, body, manager="kubectl")

    async def create_namespace(self, name: str) -> None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        try:
            await self.client.create(APIS["Namespace"], body)
        except Conflict:
            return

    async def patch(self, ref: Ref, body: dict[str, Any]) -> None:
        await self.client.patch(APIS[ref.kind], ref.name, ref.namespace, body)

    async def delete(self, ref: Ref) -> None:
        await self.client.delete(APIS[ref.kind], ref.name, ref.namespace)

    async def events_of(self, ref: Ref) -> list[dict[str, Any]]:
        fields = f"involvedObject.kind={ref.kind},involvedObject.name={ref.name}"
        return (await self.client.list(APIS["Event"], ref.namespace, fields=fields)).items

    async def revisions(self, namespace: str, name: str) -> list[str]:
        """What Helm stored of a release, oldest first: ``["1 superseded", "2 deployed"]``."""
        secrets = await self.client.list(
            APIS["Secret"], namespace, labels=f"owner=helm,name={name}", metadata_only=True
        )
        labels = [one["metadata"]["labels"] for one in secrets.items]
        return [f"{one['version']} {one['status']}" for one in sorted(labels, key=lambda one: int(one["version"]))]

    async def aclose(self) -> None:
        await self.client.aclose()
