"""How an automation gets to its Git repository and to its signing key: GitRepository and Secrets to what Git needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.api.meta import Key
from hub.api.source import GitRepository
from hub.content.gitauth import AuthInvalid, GitAuth, auth_of
from hub.content.gitcache import Remote
from hub.content.gitlogin import GitLogin
from hub.content.keys import BadKeyError
from hub.errors import ApiError, NotFound, Stalled, Transient, Waiting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.api.image import ImageUpdateAutomation, SigningKey
    from hub.content.commitsign import Signer
    from hub.runtime.access import Access
    from hub.runtime.cache import Cache
    from hub.runtime.secrets import SecretReader

SOURCE_FAILED = "SourceManagerFailed"
_RETRY = 300.0


class Repositories:
    """
    Finds what automations refer to.

    Args:
        cache: Has the GitRepositories.
        secrets: Gives their Secrets.
        access: Which of them may be in other namespaces.
        login: Knows the providers.
    """

    def __init__(self, cache: Cache, secrets: SecretReader, access: Access, login: GitLogin | None = None) -> None:
        self._cache = cache
        self._secrets = secrets
        self._access = access
        self._login = login or GitLogin()

    def source(self, automation: ImageUpdateAutomation) -> GitRepository:
        """
        Return the GitRepository of an automation.

        Raises:
            Stalled: It is in another namespace, which is not allowed here.
            Waiting: There is none; its first event brings the automation back.
        """
        ref, namespace = automation.spec.source_ref, automation.metadata.namespace
        key = Key(GitRepository.KIND.name, ref.namespace or namespace, ref.name)
        self._access.check(namespace, key)
        found: GitRepository | None = self._cache.get(key)
        if found is None:
            message = f"failed configuring source manager: GitRepository '{key.namespace}/{key.name}' not found"
            raise Waiting(SOURCE_FAILED, message, _RETRY)
        return found

    async def remote(self, source: GitRepository) -> Remote:
        """
        Return how to reach a repository, as its GitRepository says.

        Raises:
            Transient: A Secret is missing or cannot be used, or the URL is none.
        """
        spec, namespace = source.spec, source.metadata.namespace
        if spec.provider not in {None, "generic"}:
            return await self._by_provider(source)
        data = await self._secret(namespace, spec.secret_ref.name) if spec.secret_ref is not None else None
        proxy = await self._secret(namespace, spec.proxy_secret_ref.name) if spec.proxy_secret_ref is not None else None
        try:
            auth = auth_of(spec.url, data or {}, proxy) if data is not None or proxy is not None else GitAuth()
            return Remote.of(spec.url, auth, spec.timeout.seconds)
        except AuthInvalid as error:
            raise Transient(SOURCE_FAILED, f"failed configuring source manager: {error.message}") from error
        except ValueError as error:
            message = f"failed configuring source manager: '{spec.url}' cannot be used: {error}"
            raise Transient(SOURCE_FAILED, message) from error

    async def _by_provider(self, source: GitRepository) -> Remote:
        async def read(namespace: str, name: str) -> Mapping[str, bytes]:
            return (await self._secrets.get(namespace, name)).data

        try:
            return await self._login.remote(source, read)
        except (Stalled, Transient) as error:
            raise Transient(SOURCE_FAILED, f"failed configuring source manager: {error.message}") from error

    async def signer(self, namespace: str, key: SigningKey | None) -> Signer | None:
        """
        Return what signs commits.

        Raises:
            Transient: The Secret is missing, or holds no key that can sign.
        """
        if key is None:
            return None
        name = key.secret_ref.name
        data = await self._secret(namespace, name)
        kind, field, secret = ("ssh", "identity", "password") if key.type == "ssh" else ("gpg", "git.asc", "passphrase")
        where = f"signing key of type '{kind}' in secret '{namespace}/{name}'"
        if field not in data:
            raise Transient(SOURCE_FAILED, f"failed configuring source manager: {where}: key '{field}' is missing")
        from hub.content.commitsign import openpgp, ssh  # noqa: PLC0415  # cryptography: megabytes that few hubs need

        try:
            passphrase = data.get(secret, b"").decode(errors="replace").rstrip("\r\n")
            return (ssh if kind == "ssh" else openpgp)(data[field], passphrase)
        except BadKeyError as error:
            raise Transient(SOURCE_FAILED, f"failed configuring source manager: {where}: {error}") from error

    async def _secret(self, namespace: str, name: str) -> Mapping[str, bytes]:
        start = f"failed configuring source manager: secret '{namespace}/{name}'"
        try:
            return (await self._secrets.get(namespace, name)).data
        except NotFound as error:
            raise Transient(SOURCE_FAILED, f"{start} not found") from error
        except ApiError as error:
            raise Transient(SOURCE_FAILED, f"{start} cannot be read: {error.message}") from error
