"""
ServiceAccounts as identities in clouds and in other clusters: what they say they are, and tokens of them.

Follows Flux sources facts 24 and 48 and its object-level workload identity: the API server makes a token of the
ServiceAccount that an object names, and whoever trusts that server's tokens takes it.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from hub.api.meta import SERVICE_ACCOUNTS
from hub.content.cloud import aws, azure, gcp
from hub.content.cloud.identity import NoToken, Token, Workload
from hub.errors import ApiError, Forbidden

if TYPE_CHECKING:
    from hub.kube.client import Client

_ANNOTATIONS = (aws.ROLE, azure.CLIENT, azure.TENANT, gcp.ACCOUNT, gcp.PROVIDER)
_SECONDS = 3600
_WAY_OUT = "the hub may not do this: its chart gives that right with rbac.serviceAccountTokens=true"


class Workloads:
    """
    Finds ServiceAccounts.

    Args:
        client: Speaks to the hub cluster.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def find(self, namespace: str, name: str) -> Workload:
        """Return the ServiceAccount that an object of a namespace names. Raises :class:`NoToken`."""
        try:
            found = await self._client.get(SERVICE_ACCOUNTS, name, namespace, metadata_only=True)
        except ApiError as error:
            why = _WAY_OUT if isinstance(error, Forbidden) else error.message
            raise NoToken(f"failed to get service account '{namespace}/{name}': {why}") from error
        given = found["metadata"].get("annotations") or {}
        annotations = {key: str(given[key]) for key in _ANNOTATIONS if given.get(key)}

        async def mint(audiences: tuple[str, ...]) -> str:
            return str((await self.token(namespace, name, audiences)).value)

        return Workload(namespace, name, annotations, mint)

    async def token(self, namespace: str, name: str, audiences: tuple[str, ...]) -> Token:
        """Return a token of a ServiceAccount that only these audiences take. Raises :class:`NoToken`."""
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": list(audiences), "expirationSeconds": _SECONDS},
        }
        try:
            answer = await self._client.create(SERVICE_ACCOUNTS, body, namespace, name=name, subresource="token")
        except ApiError as error:
            why = _WAY_OUT if isinstance(error, Forbidden) else error.message
            raise NoToken(f"failed to create a token of service account '{namespace}/{name}': {why}") from error
        status = answer["status"]
        return Token(str(status["token"]), datetime.fromisoformat(status["expirationTimestamp"]).timestamp())
