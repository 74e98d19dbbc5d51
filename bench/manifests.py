"""The objects that a run applies to the hub cluster. Pure."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from hub.api.helm import HelmRelease
from hub.api.source import GitRepository

if TYPE_CHECKING:
    from collections.abc import Iterator

CHART = "app"
"""Folder of the chart in each repository."""


def member_of(number: int, members: int) -> int:
    """Return the member (from 1) on which release ``number`` (from 0) goes."""
    return number % members + 1


def kubeconfig_secret(namespace: str, member: int, kubeconfig: bytes) -> dict[str, Any]:
    """Return the Secret by which the hub reaches a member."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"member{member}", "namespace": namespace},
        "data": {"value.yaml": base64.b64encode(kubeconfig).decode()},
    }


def repository(namespace: str, name: str, url: str) -> dict[str, Any]:
    """Return a GitRepository that is only read when somebody asks."""
    return {
        "apiVersion": _version(GitRepository.KIND.api.group, GitRepository.KIND.api.version),
        "kind": "GitRepository",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"interval": "1h", "url": url, "ref": {"branch": "master"}},
    }


def releases(namespace: str, source: str, count: int, members: int) -> Iterator[dict[str, Any]]:
    """Yield ``count`` HelmReleases of one source, dealt out to the members in turn."""
    for number in range(count):
        member = member_of(number, members)
        yield {
            "apiVersion": _version(HelmRelease.KIND.api.group, HelmRelease.KIND.api.version),
            "kind": "HelmRelease",
            "metadata": {"name": f"{source}-{number}", "namespace": namespace},
            "spec": _spec(namespace, source, number, member),
        }


def _spec(namespace: str, source: str, number: int, member: int) -> dict[str, Any]:
    return {
        "interval": "1h",
        "releaseName": f"{source}-{number}",
        "targetNamespace": namespace,
        "storageNamespace": namespace,
        "kubeConfig": {"secretRef": {"name": f"member{member}"}},
        "chart": {
            "spec": {
                "chart": f"./{CHART}",
                "sourceRef": {"kind": "GitRepository", "name": source},
                "valuesFiles": [f"./{CHART}/values.yaml", f"./{CHART}/member{member}-values.yaml"],
                "reconcileStrategy": "Content",
                "interval": "1h",
            }
        },
        # Nothing waits for Pods: how fast those get ready is not the hub's to speed up.
        "install": {"createNamespace": True, "disableWait": True},
        "upgrade": {"disableWait": True, "remediation": {"remediateLastFailure": True}},
    }


def _version(group: str, version: str) -> str:
    return f"{group}/{version}"
