"""A service account for the hub on a member: what it may do, and tokens of it that end some day."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hub.api.kind import Api
from hub.api.meta import NAMESPACES, SERVICE_ACCOUNTS
from hub.cli.failures import Failed
from hub.cli.spinner import spinner_of
from hub.errors import Conflict
from hub.kube.client import Client, Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hub.kube.config import ClusterConfig

_RBAC = "rbac.authorization.k8s.io"
_CLUSTER_BINDINGS = Api(_RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False)
_BINDINGS = Api(_RBAC, "v1", "RoleBinding", "rolebindings")
_ROLES = Api(_RBAC, "v1", "Role", "roles")


@dataclass(frozen=True, slots=True)
class Account:
    """A service account; written ``namespace/name``."""

    namespace: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Account:
        """Read ``namespace/name``; a name alone is one of the namespace ``hub-system``."""
        namespace, _, name = text.rpartition("/")
        return cls(namespace or "hub-system", name)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@asynccontextmanager
async def member_client(config: ClusterConfig) -> AsyncIterator[Client]:
    """
    Open a member.

    Raises:
        Failed: It does not answer; the message says that it is the member that does not.
    """
    from hub import __version__

    client = Client(config, name="member", user_agent=f"hubctl/{__version__}")
    try:
        async with spinner_of().over(f"asking member {config.address}"):
            yield client
    except Unreachable as error:
        raise Failed(f"cannot reach the member: {error.message}") from error
    finally:
        await client.aclose()


async def prepare(client: Client, account: Account, role: str, namespaces: tuple[str, ...]) -> None:
    """
    Make the account and let it do what a role allows: in the whole cluster, or in some namespaces.

    It may also renew its own token. What is there already is made so, so that an attempt that was cut short is made
    good by the next one.
    """
    await _namespace(client, account.namespace)
    metadata = {"name": account.name, "namespace": account.namespace}
    await client.apply(SERVICE_ACCOUNTS, _object(SERVICE_ACCOUNTS, metadata))
    bound = {"roleRef": _role("ClusterRole", role), "subjects": [_subject(account)]}
    name = f"hub-{account.namespace}-{account.name}"
    if namespaces:
        for namespace in namespaces:
            await _namespace(client, namespace)
            await client.apply(_BINDINGS, _object(_BINDINGS, {"name": name, "namespace": namespace}) | bound)
    else:
        await client.apply(_CLUSTER_BINDINGS, _object(_CLUSTER_BINDINGS, {"name": name}) | bound)
    await _let_renew(client, account)


async def token(client: Client, account: Account, seconds: float) -> str:
    """Ask for a token of the account."""
    body = _object(_TOKENS, {}) | {"spec": {"expirationSeconds": int(seconds)}}
    answer = await client.create(SERVICE_ACCOUNTS, body, account.namespace, name=account.name, subresource="token")
    return str(answer["status"]["token"])


def with_token(config: ClusterConfig, text: str) -> ClusterConfig:
    """Return the same cluster, reached with a token and nothing else."""
    return replace(
        config, token=text, token_file="", client_cert=b"", client_key=b"", username="", password="", exec=None
    )


_TOKENS = Api("authentication.k8s.io", "v1", "TokenRequest", "tokenrequests")


async def _let_renew(client: Client, account: Account) -> None:
    metadata = {"name": f"{account.name}-renews-its-token", "namespace": account.namespace}
    rule = {
        "apiGroups": [""],
        "resources": ["serviceaccounts/token"],
        "resourceNames": [account.name],
        "verbs": ["create"],
    }
    bound = {"roleRef": _role("Role", metadata["name"]), "subjects": [_subject(account)]}
    await client.apply(_ROLES, _object(_ROLES, metadata) | {"rules": [rule]})
    await client.apply(_BINDINGS, _object(_BINDINGS, metadata) | bound)


async def _namespace(client: Client, name: str) -> None:
    try:
        await client.create(NAMESPACES, _object(NAMESPACES, {"name": name}))
    except Conflict:
        return


def _object(api: Api, metadata: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": api.api_version, "kind": api.kind, "metadata": metadata}


def _role(kind: str, name: str) -> dict[str, str]:
    return {"apiGroup": _RBAC, "kind": kind, "name": name}


def _subject(account: Account) -> dict[str, str]:
    return {"kind": "ServiceAccount", "namespace": account.namespace, "name": account.name}
