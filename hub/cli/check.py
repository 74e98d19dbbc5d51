"""``hubctl check``: is this cluster ready for a hub, and is the hub that is there as it should be?"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from hub.cli.command import ExampleCommand
from hub.cli.install_chart import namespace_of
from hub.cli.scope import Scope, scope_options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hub.cli.say import Say
    from hub.kube.client import Client

OLDEST: Final = (1, 28)
FLUX: Final = ("source-controller", "helm-controller")
"""Flux' controllers of the kinds that the hub takes care of."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: good, or bad and what to do about it."""

    good: bool
    text: str
    fatal: bool = True


@click.command(
    cls=ExampleCommand,
    examples=(("check --pre", "Before an installation."), ("check", "The cluster, and the hub on it.")),
)
@scope_options()
@click.option("--pre", is_flag=True, help="Only what an installation needs, before there is one.")
def check(scope: Scope, *, pre: bool) -> None:
    """Tell whether the cluster can have a hub and, without --pre, whether the one it has is well."""
    asyncio.run(_run(scope, pre=pre))


async def _run(scope: Scope, *, pre: bool) -> None:
    from hub.cli.failures import Failed
    from hub.cli.say import Say
    from hub.cli.scope import connect

    say, bad = Say(), 0
    async with connect(scope) as cluster:
        parts = (
            [before(cluster.client)] if pre else [before(cluster.client), after(cluster.client, namespace_of(scope))]
        )
        for part in parts:
            async for finding in part:
                _tell(say, finding)
                bad += not finding.good and finding.fatal
    if bad:
        raise Failed(f"{bad} {'check' if bad == 1 else 'checks'} failed")
    say.success("all checks passed")


def _tell(say: Say, finding: Finding) -> None:
    if finding.good:
        say.success(finding.text)
    elif finding.fatal:
        say.failure(finding.text)
    else:
        say.warning(finding.text)


async def before(client: Client) -> AsyncIterator[Finding]:
    """Yield what an installation needs."""
    yield await _version(client)
    for group, resource in (
        ("apiextensions.k8s.io", "customresourcedefinitions"),
        ("rbac.authorization.k8s.io", "clusterroles"),
        ("apps", "deployments"),
    ):
        allowed = await _may_create(client, group, resource)
        yield Finding(
            allowed, f"you may create {resource}" if allowed else f"you may not create {resource}: ask an admin"
        )
    yield await _helm()
    async for finding in _flux(client):
        yield finding


async def after(client: Client, namespace: str) -> AsyncIterator[Finding]:
    """Yield how the hub is that is installed."""
    async for finding in _kinds(client):
        yield finding
    yield await _replicas(client, namespace)
    yield await _leader(client, namespace)


async def _version(client: Client) -> Finding:
    found = await client.read("/version")
    version = tuple(int(re.sub(r"\D.*", "", found[part]) or 0) for part in ("major", "minor"))
    wanted = ".".join(str(part) for part in OLDEST)
    if version >= OLDEST:
        return Finding(good=True, text=f"Kubernetes {found['gitVersion']}, {wanted} or newer is needed")
    return Finding(good=False, text=f"Kubernetes {found['gitVersion']} is too old: {wanted} or newer is needed")


async def _may_create(client: Client, group: str, resource: str) -> bool:
    from hub.api.kind import Api

    reviews = Api("authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False)
    asked = {"resourceAttributes": {"verb": "create", "group": group, "resource": resource}}
    body = {"apiVersion": reviews.api_version, "kind": reviews.kind, "spec": asked}
    return bool((await client.create(reviews, body))["status"].get("allowed"))


async def _helm() -> Finding:
    import tempfile
    from pathlib import Path

    from hub.errors import HubError
    from hub.release.helm import Helm

    with tempfile.TemporaryDirectory(prefix="hubctl-helm-") as home:
        try:
            helm = await Helm.find(Path(home))
            return Finding(good=True, text=f"helm {(await helm.version()).strip()}")
        except HubError as error:
            return Finding(good=False, text=error.message)


async def _flux(client: Client) -> AsyncIterator[Finding]:
    """Yield Flux' controllers that would work on the same objects."""
    for deployment in await flux_controllers(client):
        meta = deployment["metadata"]
        if deployment["spec"].get("replicas", 1):
            yield Finding(
                good=False,
                text=f"{meta['namespace']}/{meta['name']} of Flux runs: two would work on the same objects; "
                "'hubctl migrate' moves over",
                fatal=False,
            )


async def flux_controllers(client: Client) -> list[dict[str, Any]]:
    """Return the Deployments of Flux whose kinds the hub takes care of, wherever they are."""
    from hub.api.meta import DEPLOYMENTS

    found = (await client.list(DEPLOYMENTS, labels="app.kubernetes.io/part-of=flux")).items
    return [one for one in found if one["metadata"]["name"] in FLUX]


async def _kinds(client: Client) -> AsyncIterator[Finding]:
    from hub.api.crds import crds
    from hub.api.meta import CUSTOM_RESOURCE_DEFINITIONS

    served = {one["metadata"]["name"]: one for one in (await client.list(CUSTOM_RESOURCE_DEFINITIONS)).items}
    missing, old, served_any = [], [], False
    for wanted in crds():
        name = wanted["metadata"]["name"]
        if name not in served:
            missing.append(name)
            continue
        served_any = True
        if not _covers(served[name], wanted):
            old.append(name)
    if missing:
        what = "none of the hub's kinds is installed" if not served_any else f"not installed: {', '.join(missing)}"
        yield Finding(good=False, text=f"{what}; run 'hubctl install'")
    if old:
        yield Finding(good=False, text=f"of another version: {', '.join(old)}; run 'hubctl install'")
    if not missing and not old:
        yield Finding(good=True, text=f"{len(crds())} kinds are installed")


def _covers(served: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether every version is served with at least the fields that this version of the hub knows."""
    schemas = {one["name"]: one["schema"]["openAPIV3Schema"] for one in served["spec"]["versions"] if one["served"]}
    return all(
        one["name"] in schemas and _fields(one["schema"]["openAPIV3Schema"]) <= _fields(schemas[one["name"]])
        for one in wanted["spec"]["versions"]
    )


def _fields(schema: dict[str, Any], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, inner in (schema.get("properties") or {}).items():
        found |= {f"{prefix}.{name}"} | _fields(inner, f"{prefix}.{name}")
    return found | (_fields(schema["items"], f"{prefix}[]") if "items" in schema else set())


async def hub_workload(client: Client, namespace: str) -> dict[str, Any] | None:
    """Return the Deployment or StatefulSet of the hub in a namespace."""
    from hub.api.kind import Api
    from hub.api.meta import DEPLOYMENTS

    for api in (DEPLOYMENTS, Api("apps", "v1", "StatefulSet", "statefulsets")):
        listed = await client.list(api, namespace, labels="app.kubernetes.io/part-of=hub")
        if listed.items:
            return listed.items[0]
    return None


async def _replicas(client: Client, namespace: str) -> Finding:
    from hub import __version__

    found = await hub_workload(client, namespace)
    if found is None:
        return Finding(good=False, text=f"no hub in namespace {namespace}; run 'hubctl install'")
    wanted, ready = found["spec"].get("replicas", 1), found.get("status", {}).get("readyReplicas", 0)
    version = found["metadata"]["labels"].get("app.kubernetes.io/version", "?")
    text = f"hub {version}, {ready} of {wanted} replicas ready"
    if version != __version__:
        return Finding(good=False, text=f"{text}; this hubctl is {__version__}: run 'hubctl install'", fatal=False)
    return Finding(good=wanted > 0 and ready >= wanted, text=text)


async def _leader(client: Client, namespace: str) -> Finding:
    from hub.api.meta import LEASES

    listed = await client.list(LEASES, namespace, labels="hubctl.io/election")
    held = [one for one in listed.items if one["spec"].get("holderIdentity")]
    holders = sorted({one["spec"]["holderIdentity"] for one in held})
    if not holders:
        return Finding(
            good=False, text=f"nobody holds a Lease in namespace {namespace}: the hub does not work", fatal=False
        )
    return Finding(good=True, text=f"{len(held)} of {len(listed.items)} Leases held by {', '.join(holders)}")
