"""Reach a member as the hub would, and ask what we may do there."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from hub.api.kind import Api
from hub.cli.failures import Failed
from hub.cli.member_account import member_client
from hub.cli.member_add import kubeconfig_secret
from hub.cli.say import Say
from hub.cli.scope import connect
from hub.kube.config import parse_kubeconfig
from hub.members.expiry import expiry_of

if TYPE_CHECKING:
    from hub.cli.scope import Scope
    from hub.kube.client import Client
    from hub.kube.config import ClusterConfig

_REVIEWS = Api("authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False)


class Right(NamedTuple):
    """Something that may be allowed; ``without`` says what follows when it is not, None that nothing works then."""

    verb: str
    group: str
    resource: str
    without: str | None = None


RIGHTS = (
    Right("list", "", "secrets"),
    Right("create", "", "secrets"),
    Right("delete", "", "secrets"),
    Right("watch", "", "secrets", "what others change in Helm's records is noticed at the next interval only"),
    Right("create", "apps", "deployments", "charts with Deployments cannot be installed"),
    Right("create", "", "namespaces", "install.createNamespace does not work"),
    Right("impersonate", "", "serviceaccounts", "spec.serviceAccountName does not work"),
)


async def check_member(scope: Scope, name: str, namespace_there: str | None) -> None:
    """
    Print what is found, line by line.

    Raises:
        Failed: Releases cannot be brought there.
    """
    say = Say()
    async with connect(scope) as cluster:
        secret, key = await kubeconfig_secret(cluster, name)
    config = parse_kubeconfig(base64.b64decode(secret["data"][key]))
    say.success(f"Secret {secret['metadata']['name']} holds a kubeconfig for {config.address}")
    _tell_expiry(config, say)
    async with member_client(config) as client:
        began = time.monotonic()
        answer = await client.read("/version")
        took = (time.monotonic() - began) * 1000
        say.success(f"{config.address} answers, Kubernetes {answer.get('gitVersion', '')}, {took:.0f} ms")
        missing = [right for right in RIGHTS if not await _tell_right(client, right, namespace_there, say)]
    if missing:
        names = ", ".join(f"{right.verb} {right.resource}" for right in missing)
        raise Failed(f"releases cannot be brought to {name}: its user may not {names}")


async def _tell_right(client: Client, right: Right, namespace: str | None, say: Say) -> bool:
    """Return whether releases can be brought there as far as one right is concerned."""
    asked = {"verb": right.verb, "group": right.group, "resource": right.resource, "namespace": namespace or ""}
    body = {"apiVersion": _REVIEWS.api_version, "kind": _REVIEWS.kind, "spec": {"resourceAttributes": asked}}
    allowed = bool((await client.create(_REVIEWS, body))["status"].get("allowed"))
    where = f"in namespace {namespace}" if namespace else "in all namespaces"
    what = f"{right.verb} {right.resource} {where}"
    if allowed:
        say.success(f"may {what}")
    elif right.without is not None:
        say.warning(f"may not {what}: {right.without}")
    else:
        say.failure(f"may not {what}")
    return allowed or right.without is not None


def _tell_expiry(config: ClusterConfig, say: Say) -> None:
    expiry = expiry_of(config)
    if expiry is None:
        return
    now, text = datetime.now(UTC), f"the {expiry.what} is good until {expiry.at:%Y-%m-%dT%H:%M:%SZ}"
    if now >= expiry.at:
        say.failure(f"{text}: it has expired; 'hubctl member rotate' renews it")
    elif now >= expiry.warn_from:
        say.warning(f"{text}; 'hubctl member rotate' renews it")
    else:
        say.success(text)
