"""Which Member stands for which kubeconfig Secret, and which releases are its own. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from hub.api.fleet import MANAGED_BY, Member, MemberReleases
from hub.api.helm import HelmRelease
from hub.api.meta import READY, Key, Resource, SecretKeyRef

if TYPE_CHECKING:
    from collections.abc import Iterable

USUAL_KEYS: Final = ("value", "value.yaml")
_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9.-]+")


def kubeconfig_of(resource: Resource) -> SecretKeyRef | None:
    """Return the reference to the Secret with the kubeconfig that a release or a Member means."""
    if isinstance(resource, Member):
        return resource.spec.kube_config.secret_ref
    if isinstance(resource, HelmRelease) and resource.spec.kube_config is not None:
        return resource.spec.kube_config.secret_ref
    return None


def same_kubeconfig(one: SecretKeyRef, other: SecretKeyRef) -> bool:
    """Whether two references of one namespace lead to the same kubeconfig."""
    return one.name == other.name and _key(one) == _key(other)


def member_names(resource: Resource) -> Iterable[Key]:
    """Return the key that the hub gives to the Member of a release's kubeconfig, when it makes one."""
    reference = kubeconfig_of(resource)
    if isinstance(resource, HelmRelease) and reference is not None and reference.name:
        yield Key(Member.KIND.name, resource.metadata.namespace, _name(reference))


def secrets_of(member: Resource) -> Iterable[Key]:
    """Return the Secret that a Member reads."""
    reference = kubeconfig_of(member)
    if isinstance(member, Member) and reference is not None:
        yield Key("Secret", member.metadata.namespace, reference.name)


def counts(member: Member, releases: Iterable[Any]) -> MemberReleases:
    """Count the releases of a member among those that name its Secret."""
    total = ready = 0
    for release in releases:
        reference = kubeconfig_of(release)
        if reference is not None and same_kubeconfig(reference, member.spec.kube_config.secret_ref):
            total += 1
            ready += is_ready(release)
    return MemberReleases(total=total, ready=ready)


def is_ready(release: Resource) -> bool:
    """Whether a release is ready."""
    condition = release.status.condition(READY)
    return condition is not None and condition.status == "True"


def counts_differently(old: Resource | None, new: Resource | None) -> bool:
    """Whether a change of a release changes what its Member counts."""
    if old is None or new is None:
        return True
    return is_ready(old) != is_ready(new) or kubeconfig_of(old) != kubeconfig_of(new)


def new_member(key: Key, reference: SecretKeyRef, secret: dict[str, Any]) -> dict[str, Any]:
    """Return the Member that the hub makes of a Secret; it goes with the Secret."""
    api = Member.KIND.api
    named = {"name": reference.name} | ({"key": reference.key} if reference.key else {})
    owner = {"apiVersion": "v1", "kind": "Secret", "name": reference.name, "uid": secret["metadata"]["uid"]}
    return {
        "apiVersion": api.api_version,
        "kind": api.kind,
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "labels": {MANAGED_BY: "hub"},
            "ownerReferences": [owner],
        },
        "spec": {"kubeConfig": {"secretRef": named}},
    }


def _key(reference: SecretKeyRef) -> str:
    return "" if reference.key in USUAL_KEYS else reference.key


def _name(reference: SecretKeyRef) -> str:
    if not _key(reference):
        return reference.name
    return f"{reference.name}-{_NOT_IN_NAMES.sub('-', reference.key.lower()).strip('-.')}"
