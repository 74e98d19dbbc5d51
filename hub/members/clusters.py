"""
Clusters that a ConfigMap names, in place of a kubeconfig: where they are, and tokens that they take.

Follows Flux helmrelease facts 7 to 9. ``provider: generic`` is a cluster that trusts the tokens of the hub's own API
server; ``aws``, ``azure`` and ``gcp`` are clusters of a cloud, which says where they are and whose tokens they take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hub.content import digest as digests
from hub.content.cloud.clouds import CLOUDS
from hub.content.cloud.identity import asking
from hub.kube.config import BadKubeconfig, ClusterConfig, TokenSource, cluster_config, parse_kubeconfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.content.cloud.clouds import Clouds
    from hub.content.cloud.identity import Token, Workload
    from hub.runtime.workloads import Workloads

_KEYS = frozenset({"provider", "cluster", "address", "ca.crt", "audiences", "serviceAccountName"})


class _Named(NamedTuple):
    """What a ConfigMap says."""

    provider: str
    cluster: str = ""
    address: str = ""
    ca: bytes = b""
    audiences: tuple[str, ...] = ()
    service_account: str = ""


class NamedClusters:
    """
    Makes configurations of ConfigMaps.

    Args:
        workloads: Finds ServiceAccounts.
        clouds: Gives identities in clouds.
        default_service_account: Whose tokens are used where a ConfigMap names nobody.
        allow_insecure_tls: Whether an address may be one without TLS.
    """

    def __init__(
        self,
        workloads: Workloads,
        clouds: Clouds,
        *,
        default_service_account: str = "",
        allow_insecure_tls: bool = False,
    ) -> None:
        self._workloads = workloads
        self._clouds = clouds
        self._default = default_service_account
        self._allow_insecure_tls = allow_insecure_tls

    async def config(self, namespace: str, data: Mapping[str, bytes]) -> ClusterConfig:
        """
        Return how to reach the cluster that a ConfigMap of a namespace names; a cloud is asked where it is.

        Raises:
            BadKubeconfig: It says too little, or something that cannot be.
            NoToken: The cloud does not tell, or gives no token.
        """
        named = parse(data)
        if named.provider == "generic":
            tokens = self._of_account(namespace, named)
        else:
            account = named.service_account or self._default
            workload = await self._workload(namespace, account)
            with asking(named.provider, workload):
                named = await self._located(named, workload)
            tokens = self._of_cloud(named, namespace, account)
        try:
            return cluster_config(named.address, named.ca, tokens, allow_insecure_tls=self._allow_insecure_tls)
        except BadKubeconfig as error:
            raise BadKubeconfig(str(error).removeprefix("kubeconfig: ")) from error

    def _of_account(self, namespace: str, named: _Named) -> TokenSource:
        """Return the tokens of a ServiceAccount: never the hub's own, which would open the hub to whoever gets it."""
        account = named.service_account or self._default or "default"
        audiences = named.audiences or (named.address,)

        async def ask() -> tuple[str, float]:
            return await self._workloads.token(namespace, account, audiences)

        return TokenSource(digests.of_parts("generic", namespace, account, *audiences), ask)

    async def _located(self, named: _Named, workload: Workload | None) -> _Named:
        """
        Fill in what the cloud knows of the cluster.

        Where the hub itself logs in, the cloud has to know the address: any other would be given our token.
        """
        if named.address and named.ca and workload is not None:
            return named
        if not named.cluster:
            raise BadKubeconfig("it has no 'cluster', which the hub's own identity needs; or name a serviceAccountName")
        if named.provider == "aws":
            address, ca = await self._clouds.aws.cluster(named.cluster, workload)
        elif named.provider == "gcp":
            address, ca = await self._clouds.gcp.cluster(named.cluster, workload)
        else:
            config = parse_kubeconfig(await self._clouds.azure.cluster(named.cluster, workload), allow_exec=True)
            address, ca = config.server, config.ca
        if named.address and named.address.rstrip("/") != address.rstrip("/"):
            raise BadKubeconfig(f"'address' is '{named.address}', and that of the cluster is '{address}'")
        return named._replace(address=address, ca=named.ca or ca)

    def _of_cloud(self, named: _Named, namespace: str, account: str) -> TokenSource:
        async def ask() -> tuple[str, float]:
            workload = await self._workload(namespace, account)  # each time: its annotations may be others now
            with asking(named.provider, workload):
                return await self._token(named, workload)

        who = (namespace, account) if account else ("", "")
        return TokenSource(digests.of_parts(named.provider, named.cluster, *who), ask)

    async def _workload(self, namespace: str, account: str) -> Workload | None:
        return await self._workloads.find(namespace, account) if account else None

    async def _token(self, named: _Named, workload: Workload | None) -> Token:
        if named.provider == "aws":
            return await self._clouds.aws.cluster_token(named.cluster, workload)
        if named.provider == "gcp":
            return await self._clouds.gcp.token(workload)
        return await self._clouds.azure.cluster_token(workload)


def parse(data: Mapping[str, bytes]) -> _Named:
    """Read the data of a ConfigMap. Raises :class:`BadKubeconfig`."""
    texts = {key: value.decode(errors="replace").strip() for key, value in data.items() if key in _KEYS}
    provider = texts.get("provider", "")
    if not provider:
        raise BadKubeconfig("it has no 'provider': aws, azure, gcp or generic")
    if provider not in {*CLOUDS, "generic"}:
        raise BadKubeconfig(f"its provider '{provider}' is not one of aws, azure, gcp, generic")
    named = _Named(
        provider,
        texts.get("cluster", ""),
        texts.get("address", ""),
        texts.get("ca.crt", "").encode(),
        tuple(line.strip() for line in texts.get("audiences", "").splitlines() if line.strip()),
        texts.get("serviceAccountName", ""),
    )
    if provider == "generic" and not named.address:
        raise BadKubeconfig("it has no 'address', which the generic provider needs")
    if provider != "generic" and not named.cluster and (provider == "aws" or not (named.address and named.ca)):
        more = "" if provider == "aws" else ", or 'address' and 'ca.crt'"
        raise BadKubeconfig(f"it has no 'cluster'{more}: the {provider} provider needs the cluster's name there")
    return named
