"""
How objects say that an origin is to be reached: Secrets with credentials, certificates and proxies.

Follows Flux sources facts 14, 33 and 48. Every error is a ``Transient`` of reason ``AuthenticationFailed`` that names
the Secret and what is wrong with it, never what is in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hub.api.meta import SERVICE_ACCOUNTS
from hub.content.cloud.clouds import CLOUDS, Clouds
from hub.content.http import BadProxyError, BadTlsError, Connection, Proxy, Tls, tls_context
from hub.content.oci.credentials import BadDockerConfigError, Credentials, DockerConfig
from hub.errors import ApiError, NotFound, Transient
from hub.runtime.workloads import Workloads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.api.meta import LocalRef
    from hub.content.cloud.identity import Workload
    from hub.content.oci.client import Registries, Registry
    from hub.content.oci.reference import Repository
    from hub.kube.client import Client
    from hub.runtime.secrets import SecretReader

DOCKER_CONFIG, DOCKER_CFG = ".dockerconfigjson", ".dockercfg"


class Login(NamedTuple):
    """A user name and its password."""

    username: str
    password: str


class RegistryRefs(NamedTuple):
    """
    What of a spec says how a registry is reached.

    Attributes:
        service_account: Has pull secrets; with a cloud as ``provider`` an identity there.
        provider: Where credentials come from when ``secret`` names none.
    """

    secret: LocalRef | None = None
    service_account: str = ""
    certificate: LocalRef | None = None
    proxy: LocalRef | None = None
    insecure: bool = False
    provider: str | None = None


class Origins:
    """
    Reads what objects refer to.

    Args:
        client: Speaks to the hub cluster; asked for ServiceAccounts.
        secrets: Gives the Secrets.
        registries: Opens registries.
        clouds: Gives identities in clouds.
    """

    def __init__(
        self, client: Client, secrets: SecretReader, registries: Registries, clouds: Clouds | None = None
    ) -> None:
        self._client = client
        self._secrets = secrets
        self._registries = registries
        self._workloads = Workloads(client)
        self.clouds = clouds or Clouds()

    async def registry(self, namespace: str, repository: Repository, refs: RegistryRefs) -> Registry:
        """
        Return the client of a repository, logged in as an object of ``namespace`` says.

        Raises:
            Transient: A Secret or ServiceAccount is missing or not understood, or a cloud gives no token.
        """
        connection = await self.connection(namespace, refs.certificate, refs.proxy)
        if refs.provider in CLOUDS and refs.secret is None:
            workload = await self.workload(namespace, refs.service_account)
            if workload is None:
                keep_to_ourselves(insecure=refs.insecure, certificate=refs.certificate, proxy=refs.proxy)
            proxy = connection.proxy.url if connection.proxy is not None else ""
            credentials: Credentials | None = await self.clouds.registry(
                refs.provider, repository.host, workload, proxy, plain=refs.insecure
            )
        else:
            credentials = await self._credentials(namespace, repository, refs)
        return self._registries.open(repository, credentials, connection, insecure=refs.insecure)

    async def workload(self, namespace: str, service_account: str) -> Workload | None:
        """Return the identity of a ServiceAccount; None, the hub's own, for no name. Raises ``Transient``."""
        return await self._workloads.find(namespace, service_account) if service_account else None

    async def connection(
        self, namespace: str, certificate: LocalRef | None, proxy: LocalRef | None = None
    ) -> Connection:
        """Return how to reach an origin, from ``certSecretRef`` and ``proxySecretRef``. Raises ``Transient``."""
        tls = await self.tls(namespace, certificate) if certificate is not None else None
        return Connection(tls, await self.proxy(namespace, proxy) if proxy is not None else None)

    async def tls(self, namespace: str, ref: LocalRef) -> Tls:
        """Return the certificates of a Secret. Raises ``Transient``."""
        tls = await self.legacy_tls(namespace, ref)
        if tls is None:
            raise refused(namespace, ref.name, "has neither 'ca.crt' nor 'tls.crt' and 'tls.key'")
        return tls

    async def legacy_tls(self, namespace: str, ref: LocalRef) -> Tls | None:
        """Return the certificates that a Secret with other credentials holds, if any. Raises ``Transient``."""
        tls = tls_of(await self.secret(namespace, ref.name))
        try:
            if tls is not None:
                tls_context(tls)
        except BadTlsError as error:
            raise refused(namespace, ref.name, str(error)) from error
        return tls

    async def proxy(self, namespace: str, ref: LocalRef) -> Proxy:
        """Return the proxy of a Secret. Raises ``Transient``."""
        texts = _texts(await self.secret(namespace, ref.name))
        if not texts.get("address"):
            raise refused(namespace, ref.name, "has no 'address'")
        proxy = Proxy(texts["address"], texts.get("username", ""), texts.get("password", ""))
        try:
            proxy.check()
        except BadProxyError as error:
            raise refused(namespace, ref.name, str(error)) from error
        return proxy

    async def login(self, namespace: str, name: str) -> Login | None:
        """Return user name and password of a Secret; None when it has neither. Raises ``Transient``."""
        texts = _texts(await self.secret(namespace, name))
        username, password = texts.get("username", ""), texts.get("password", "")
        if bool(username) != bool(password):
            raise refused(namespace, name, "must have 'username' and 'password' together")
        return Login(username, password) if username else None

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes]:
        """Return the content of a Secret. Raises ``Transient``."""
        where = f"{namespace}/{name}"
        try:
            return (await self._secrets.get(namespace, name)).data
        except NotFound as error:
            message = f"failed to get secret '{where}': secrets \"{name}\" not found"
            raise Transient("AuthenticationFailed", message) from error
        except ApiError as error:
            raise Transient("AuthenticationFailed", f"failed to get secret '{where}': {error.message}") from error

    async def _credentials(self, namespace: str, repository: Repository, refs: RegistryRefs) -> Credentials | None:
        config = DockerConfig()
        if refs.secret is not None:
            config = await self._docker_config(namespace, refs.secret.name, repository)
        if refs.service_account and refs.provider not in CLOUDS:
            for name in await self._pull_secrets(namespace, refs.service_account):
                config += await self._docker_config(namespace, name, repository)
        return config.find(repository)

    async def _docker_config(self, namespace: str, name: str, repository: Repository) -> DockerConfig:
        data = await self.secret(namespace, name)
        try:
            for key in (DOCKER_CONFIG, DOCKER_CFG):
                if key in data:
                    return DockerConfig.parse(data[key])
        except BadDockerConfigError as error:
            raise refused(namespace, name, f"holds a broken Docker configuration: {error}") from error
        texts = _texts(data)
        if texts.get("username") and texts.get("password"):
            return DockerConfig(((repository.registry, "", Credentials(texts["username"], texts["password"])),))
        if tls_of(data) is not None:
            return DockerConfig()
        raise refused(namespace, name, f"has neither '{DOCKER_CONFIG}' nor 'username' and 'password'")

    async def _pull_secrets(self, namespace: str, account: str) -> list[str]:
        try:
            found = await self._client.get(SERVICE_ACCOUNTS, account, namespace)
        except ApiError as error:
            message = f"failed to get service account '{namespace}/{account}': {error.message}"
            raise Transient("AuthenticationFailed", message) from error
        return [one["name"] for one in found.get("imagePullSecrets") or [] if one.get("name")]


def keep_to_ourselves(*, insecure: bool, certificate: LocalRef | None, proxy: LocalRef | None) -> None:
    """
    Refuse to log in as the hub itself where whoever wrote the object could read along.

    Raises:
        Transient: Without TLS, or with an authority and a proxy of the object's own.
    """
    if insecure or (certificate is not None and proxy is not None):
        what = "spec.insecure" if insecure else "spec.certSecretRef together with spec.proxySecretRef"
        why = f"the hub's own identity is not used with {what}: remove it, or name a serviceAccountName or a Secret"
        raise Transient("AuthenticationFailed", f"failed to configure authentication options: {why}")


def tls_of(data: Mapping[str, bytes]) -> Tls | None:
    """Return the certificates among the keys of a Secret; None when there are none. The older names count last."""
    ca = data.get("ca.crt") or data.get("caFile") or b""
    certificate = data.get("tls.crt") or data.get("certFile") or b""
    key = data.get("tls.key") or data.get("keyFile") or b""
    return Tls(ca, certificate, key) if ca or certificate or key else None


def refused(namespace: str, name: str, why: str) -> Transient:
    """Return the error for a Secret that cannot be used."""
    return Transient(
        "AuthenticationFailed",
        f"failed to configure authentication options: secret '{namespace}/{name}' {_joined(why)}",
    )


def _joined(why: str) -> str:
    return why if why.startswith(("has ", "holds ", "must ")) else f"cannot be used: {why}"


def _texts(data: Mapping[str, bytes]) -> dict[str, str]:
    return {key: value.decode(errors="replace").strip() for key, value in data.items()}
