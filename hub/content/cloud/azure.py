"""
Azure: access tokens of Entra ID, and what they open: registries (ACR) and clusters (AKS).

Where to ask comes from the variables that Azure's SDKs read: ``AZURE_AUTHORITY_HOST``,
``AZURE_POD_IDENTITY_AUTHORITY_HOST``; ``AZURE_ENVIRONMENT_FILEPATH`` names a file with ``resourceManagerEndpoint``.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING

from hub.content.cloud.ask import ask, read_token
from hub.content.cloud.identity import Held, Refused, Token, Workload, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CLIENT = "azure.workload.identity/client-id"
TENANT = "azure.workload.identity/tenant-id"
AUDIENCE = "api://AzureADTokenExchange"
STORAGE = "https://storage.azure.com/.default"
DEVOPS = "499b84ac-1321-427f-aa17-267ca6975798/.default"
"""What stands for Azure DevOps everywhere."""
_AKS = "6dae42f8-4368-4678-94ff-3960e28e3630/.default"
"""What stands for the API servers of AKS everywhere."""
_PUBLIC = "https://login.microsoftonline.com"
_NAMELESS = "00000000-0000-0000-0000-000000000000"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_REFRESH_LIFE = 3 * 3600.0
_REGISTRIES = {
    ".azurecr.io": "https://management.azure.com",
    ".azurecr.cn": "https://management.chinacloudapi.cn",
    ".azurecr.us": "https://management.usgovcloudapi.net",
}
_MANAGEMENT = {
    "login.chinacloudapi.cn": "https://management.chinacloudapi.cn",
    "login.partner.microsoftonline.cn": "https://management.chinacloudapi.cn",
    "login.microsoftonline.us": "https://management.usgovcloudapi.net",
}
_CLUSTER = re.compile(
    r"/subscriptions/[0-9a-f-]{36}/resourceGroups/[-\w().]{1,90}/providers/Microsoft\.ContainerService"
    r"/managedClusters/[-\w]{1,63}\Z",
    re.IGNORECASE | re.ASCII,
)
_API = "2025-04-01"


class Azure:
    """
    Speaks to Azure.

    Args:
        environ: Where Azure's SDKs look.
        clock: Seconds since the epoch.

    Attributes:
        held: Its tokens.
    """

    def __init__(self, environ: Mapping[str, str], clock: Callable[[], float]) -> None:
        self._environ = environ
        self._clock = clock
        self.held = Held(clock)

    async def token(self, scope: str, workload: Workload | None, proxy: str = "", client: str = "") -> Token:
        """
        Return an access token.

        Args:
            scope: What for, ending in ``/.default``.
            workload: None for the hub itself.
            proxy: URL of the proxy on the way.
            client: ID of the identity, when the process has several.

        Raises:
            Refused: Nobody gave one.
        """

        async def renew() -> Token:
            if workload is None:
                return await self._own(scope, proxy, client)
            return await self._of_workload(workload, scope, proxy)

        return await self.held.get(key_of(workload, scope, proxy, client), renew)

    async def login(
        self, tenant: str, client: str, scope: str, proof: Mapping[str, str], *, proxy: str = "", authority: str = ""
    ) -> Token:
        """
        Exchange what proves who we are for an access token.

        Args:
            tenant: Where the identity is.
            client: ID of the identity.
            scope: What the token is for.
            proof: ``client_secret``, or ``client_assertion`` with its type.
            proxy: URL of the proxy on the way.
            authority: Where to ask; that of the environment when empty.

        Raises:
            Refused: It was not accepted.
        """
        form = {"grant_type": "client_credentials", "client_id": client, "scope": scope, **proof}
        url = f"{(authority or self.authority).rstrip('/')}/{tenant}/oauth2/v2.0/token"
        found = await ask("POST", url, data=form, proxy=proxy)
        return Token(found.text("access_token"), self._clock() + found.seconds("expires_in"))

    @property
    def authority(self) -> str:
        """Who is asked for tokens."""
        return self._environ.get("AZURE_AUTHORITY_HOST") or _PUBLIC

    async def registry(self, host: str, workload: Workload | None, proxy: str, *, plain: bool) -> tuple[str, str]:
        """Return user name and password for a registry; ``plain`` speaks to it without TLS. Raises ``Refused``."""
        scope = f"{_management_of(host)}/.default"

        async def exchange() -> Token:
            access = await self.token(scope, workload, proxy)
            form = {"grant_type": "access_token", "service": host, "access_token": access.value}
            url = f"{'http' if plain else 'https'}://{host}/oauth2/exchange"
            refresh = (await ask("POST", url, data=form, proxy=proxy)).text("refresh_token")
            return Token(refresh, expiry_of(refresh) or self._clock() + _REFRESH_LIFE)

        token = await self.held.get(key_of(workload, "acr", host, proxy), exchange)
        return _NAMELESS, token.value

    async def cluster(self, resource: str, workload: Workload | None) -> bytes:
        """Return the kubeconfig of an AKS cluster: where it is, not who we are. Raises ``Refused``."""
        base = await self._manager()
        token = await self.token(f"{base}/.default", workload)
        url = f"{base}{checked_cluster(resource)}/listClusterUserCredential"
        headers = {"Authorization": f"Bearer {token.value}"}
        found = await ask("POST", url, params={"api-version": _API}, headers=headers)
        return found.decoded("kubeconfigs", 0, "value")

    async def cluster_token(self, workload: Workload | None) -> Token:
        """Return a token for the API servers of AKS. Raises ``Refused``."""
        return await self.token(_AKS, workload)

    async def _of_workload(self, workload: Workload, scope: str, proxy: str) -> Token:
        """Return a token of the identity that trusts a ServiceAccount."""
        client = workload.annotation(CLIENT)
        tenant = workload.annotations.get(TENANT) or self._environ.get("AZURE_TENANT_ID")
        if not tenant:
            raise Refused(f"it has no annotation '{TENANT}', and AZURE_TENANT_ID is not set")
        proof = {"client_assertion_type": ASSERTION, "client_assertion": await workload.mint((AUDIENCE,))}
        return await self.login(tenant, client, scope, proof, proxy=proxy)

    async def _own(self, scope: str, proxy: str, client: str) -> Token:
        """Return a token of this process."""
        environ = self._environ
        client = client or environ.get("AZURE_CLIENT_ID", "")
        tenant = environ.get("AZURE_TENANT_ID", "")
        if (file := environ.get("AZURE_FEDERATED_TOKEN_FILE")) and client and tenant:
            proof = {"client_assertion_type": ASSERTION, "client_assertion": await read_token(file)}
            return await self.login(tenant, client, scope, proof, proxy=proxy)
        if (secret := environ.get("AZURE_CLIENT_SECRET")) and client and tenant:
            return await self.login(tenant, client, scope, {"client_secret": secret}, proxy=proxy)
        base = environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://169.254.169.254").rstrip("/")
        query = {"api-version": "2018-02-01", "resource": scope.removesuffix("/.default")}
        if client:
            query["client_id"] = client
        try:
            url = f"{base}/metadata/identity/oauth2/token"
            found = await ask("GET", url, nearby=True, params=query, headers={"Metadata": "true"})
        except Refused as error:
            why = "this process has no Azure identity: no federated token, no client secret, no managed identity"
            raise Refused(f"{why} ({error})") from error
        return Token(found.text("access_token"), self._clock() + found.seconds("expires_in"))

    async def _manager(self) -> str:
        """Return the address of the resource manager."""
        if file := self._environ.get("AZURE_ENVIRONMENT_FILEPATH"):
            try:
                return str(json.loads(await read_token(file))["resourceManagerEndpoint"]).rstrip("/")
            except (ValueError, LookupError, TypeError) as error:
                raise Refused(f"'{file}' names no resourceManagerEndpoint") from error
        host = self.authority.partition("://")[2].strip("/")
        return _MANAGEMENT.get(host, "https://management.azure.com")


def checked_cluster(resource: str) -> str:
    """Return the ID of a cluster. Raises ``Refused`` when it is not one."""
    if _CLUSTER.match(resource) is None:
        kind = "/subscriptions/<id>/resourceGroups/<group>/providers/Microsoft.ContainerService/managedClusters/<name>"
        raise Refused(f"'{resource}' is no cluster: {kind} is expected")
    return resource


def expiry_of(token: str) -> float | None:
    """Return when a JWT ends, in seconds since the epoch; None for a token that does not say."""
    parts = token.split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims["exp"])
    except (ValueError, LookupError, TypeError):
        return None


def _management_of(host: str) -> str:
    """Return whose token a registry takes. Raises ``Refused`` when it is not one of Azure: it would get our token."""
    name = host.partition(":")[0]
    for suffix, manager in _REGISTRIES.items():
        if name.endswith(suffix):
            return manager
    raise Refused(f"'{host}' is no registry of Azure (<name>.azurecr.io)")
