"""Make a member of a cluster, and give it other credentials."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hub.api.fleet import MANAGED_BY, Member
from hub.api.meta import SECRETS
from hub.cli.failures import Failed
from hub.cli.member_account import Account, member_client, prepare, token, with_token
from hub.cli.objects import read
from hub.cli.outcome import to_the_end
from hub.cli.say import Say
from hub.cli.scope import connect
from hub.errors import Conflict, HubError, NotFound
from hub.kube.config import load_kubeconfig, parse_kubeconfig
from hub.kube.kubeconfig import write_kubeconfig
from hub.members.expiry import expiry_of

if TYPE_CHECKING:
    from hub.cli.scope import Cluster, Scope
    from hub.kube.config import ClusterConfig

ACCOUNT = "hubctl.io/service-account"
"""Annotation of a kubeconfig Secret: whose token it holds, as ``namespace/name`` on the member."""

_USUAL_KEYS = ("value", "value.yaml")


@dataclass(frozen=True, slots=True)
class Addition:
    """
    What to add.

    Attributes:
        name: Of the Member.
        from_kubeconfig: File; None finds one as kubectl does.
        from_context: Context in it; None for the current one.
        secret: Name of the Secret; None for that of the Member.
        service_account: Make this one on the member; None hands the context's credentials over.
        role: ClusterRole that it gets.
        namespaces: Where it gets it; none for everywhere.
        token_duration: Seconds that its token is good.
        timeout: Seconds to wait for the hub to reach it; None does not wait.
    """

    name: str
    from_kubeconfig: str | None = None
    from_context: str | None = None
    secret: str | None = None
    service_account: str | None = None
    role: str = "cluster-admin"
    namespaces: tuple[str, ...] = ()
    token_duration: float = 7_776_000.0
    labels: dict[str, str] = field(default_factory=dict)
    timeout: float | None = None


async def add_member(scope: Scope, wanted: Addition) -> None:
    """
    Do it.

    Raises:
        Failed: The member does not answer, or the Secret exists already.
    """
    from hub.cli.waiting import Wait

    say = Say()
    config = load_kubeconfig(wanted.from_kubeconfig, wanted.from_context)
    account = Account.parse(wanted.service_account) if wanted.service_account else None
    if account is not None:
        say.action(f"making service account {account} on {config.address}")
        async with member_client(config) as client:
            await prepare(client, account, wanted.role, wanted.namespaces)
            config = with_token(config, await token(client, account, wanted.token_duration))
    text = write_kubeconfig(config, wanted.name)
    await _try(config, say)
    async with connect(scope) as cluster:
        await to_the_end(_store(cluster, wanted, account, text, say))
        if wanted.timeout is not None:
            say.waiting(f"waiting for the hub to reach {wanted.name}")
            found = await Wait(cluster, Member.KIND, wanted.name, say).until_ready(wanted.timeout)
            say.success(f"the hub reaches {wanted.name}, Kubernetes {_version(found)}")


async def rotate_member(
    scope: Scope, name: str, from_kubeconfig: str | None, from_context: str | None, duration: float
) -> None:
    """
    Give the hub other credentials.

    Raises:
        Failed: Nobody says where they could come from, or they are no good.
    """
    say = Say()
    async with connect(scope) as cluster:
        secret, key = await kubeconfig_secret(cluster, name)
        old = parse_kubeconfig(base64.b64decode(secret["data"][key]), allow_exec=True, allow_insecure_tls=True)
        if from_kubeconfig or from_context:
            new = load_kubeconfig(from_kubeconfig, from_context)
        else:
            new = await _renewed(name, secret, old, duration)
        text = write_kubeconfig(new, name)
        await _try(new, say)
        body = {"data": {key: base64.b64encode(text.encode()).decode()}}
        await cluster.client.patch(SECRETS, secret["metadata"]["name"], cluster.namespace, body)
        say.success(f"{name} has new credentials{_until(new)}")


async def kubeconfig_secret(cluster: Cluster, name: str) -> tuple[dict[str, Any], str]:
    """
    Return the Secret of a Member, and the key in it.

    Raises:
        Failed: There is no such Member, or no kubeconfig.
    """
    member = Member.parse(await read(cluster, Member.KIND, name))
    reference = member.spec.kube_config.secret_ref
    where = f"Secret '{cluster.namespace}/{reference.name}'"
    try:
        secret = await cluster.client.get(SECRETS, reference.name, cluster.namespace)
    except NotFound as error:
        raise Failed(f"{where} of member {name} is not there") from error
    keys = [key for key in ([reference.key] if reference.key else _USUAL_KEYS) if (secret.get("data") or {}).get(key)]
    if not keys:
        raise Failed(f"{where} of member {name} holds no kubeconfig")
    return secret, keys[0]


async def _renewed(name: str, secret: dict[str, Any], old: ClusterConfig, duration: float) -> ClusterConfig:
    written = (secret["metadata"].get("annotations") or {}).get(ACCOUNT)
    if not written:
        raise Failed(
            f"member {name} was not added with --service-account, so that nobody here can make credentials for it; "
            "--from-kubeconfig or --from-context says where there are new ones"
        )
    async with member_client(old) as client:
        return with_token(old, await token(client, Account.parse(written), duration))


async def _try(config: ClusterConfig, say: Say) -> None:
    async with member_client(config) as client:
        answer = await client.read("/version")
    say.success(f"{config.address} answers, Kubernetes {answer.get('gitVersion', '')}{_until(config)}")


async def _store(cluster: Cluster, wanted: Addition, account: Account | None, text: str, say: Say) -> None:
    secret, api = wanted.secret or wanted.name, Member.KIND.api
    annotations = {ACCOUNT: str(account)} if account is not None else {}
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret,
            "namespace": cluster.namespace,
            "labels": {MANAGED_BY: "hubctl"},
            "annotations": annotations,
        },
        "data": {"value": base64.b64encode(text.encode()).decode()},
    }
    try:
        made = await cluster.client.create(SECRETS, body)
    except Conflict as error:
        raise Failed(
            f"Secret '{cluster.namespace}/{secret}' exists: 'hubctl member rotate' exchanges the credentials of a "
            "member, --secret chooses another name"
        ) from error
    member = {
        "apiVersion": api.api_version,
        "kind": api.kind,
        "metadata": {"name": wanted.name, "namespace": cluster.namespace, "labels": wanted.labels},
        "spec": {"kubeConfig": {"secretRef": {"name": secret}}},
    }
    try:
        await cluster.client.apply(api, member, manager="hubctl")
    except HubError:  # a Secret without its Member would stand in the way of the next attempt
        await cluster.client.delete(SECRETS, secret, cluster.namespace, uid=made["metadata"]["uid"])
        raise
    say.success(f"Secret {secret} made in {cluster.namespace} namespace")
    say.success(f"Member {wanted.name} made")


def _until(config: ClusterConfig) -> str:
    expiry = expiry_of(config)
    return f"; the {expiry.what} is good until {expiry.at:%Y-%m-%dT%H:%M:%SZ}" if expiry else ""


def _version(found: Any) -> str:
    return str(found.status.version)
