"""
From a GitRepository to its repository and how to get in: URL, Secrets, proxy and provider.

Knows no Kubernetes: whoever asks gives a function that reads Secrets. Errors carry Flux's reasons (Flux
sources facts 14, 23 and 24).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.content.gitauth import GitAuth, auth_of, proxy_of, redact_urls
from hub.content.gitcache import Remote
from hub.content.gitproviders import GitProviders, has_app_data
from hub.errors import ApiError, NotFound, Stalled, Transient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from hub.api.source import GitRepository, GitRepositorySpec
    from hub.content.cloud.identity import Workload

    ReadSecret = Callable[[str, str], Awaitable[Mapping[str, bytes]]]
    """Takes namespace and name of a Secret, returns its data; raises ``NotFound`` or another ``ApiError``."""
    Identify = Callable[[str, str], Awaitable[Workload | None]]
    """Takes namespace and name of a ServiceAccount, perhaps empty, and returns who it is."""

_GENERIC = ("", "generic")
_OTHERS = ("github", "azure", "aws")


class GitLogin:
    """
    Knows how to get in everywhere; one for the process, because it holds tokens.

    Args:
        providers: Give tokens.
        identify: Finds the ServiceAccounts that objects name; None does not.
    """

    def __init__(self, providers: GitProviders | None = None, identify: Identify | None = None) -> None:
        self._providers = providers or GitProviders()
        self._identify = identify

    async def remote(self, repository: GitRepository, read: ReadSecret) -> Remote:
        """
        Return where a GitRepository is and how to get in.

        Raises:
            Stalled: ``URLInvalid``, ``InvalidProviderConfiguration``, ``FeatureGateDisabled``.
            Transient: ``AuthenticationFailed``: a Secret is missing or lacks something, or nobody gives a token.
        """
        spec, namespace = repository.spec, repository.metadata.namespace
        _check(spec)
        data: Mapping[str, bytes] = {}
        proxy: Mapping[str, bytes] | None = None
        if spec.secret_ref is not None:
            data = await secret_of(namespace, spec.secret_ref.name, read)
        if spec.proxy_secret_ref is not None:
            proxy = await secret_of(namespace, spec.proxy_secret_ref.name, read)
        provider = spec.provider or ""
        if provider in _GENERIC:
            if spec.secret_ref is not None and has_app_data(data):
                where = f"{namespace}/{spec.secret_ref.name}"
                message = f"secretRef '{where}' has github app data but provider is not set to github"
                raise Stalled("InvalidProviderConfiguration", message)
            auth = auth_of(spec.url, data, proxy) if data or proxy or _is_ssh(spec) else GitAuth()
        else:
            workload = await self._workload(namespace, spec.service_account_name)
            through = proxy_of(proxy) if proxy is not None else ""
            auth = await self._providers.auth(provider, spec.url, data, through, workload)
        return Remote.of(spec.url, auth, spec.timeout.seconds)

    async def _workload(self, namespace: str, service_account: str) -> Workload | None:
        if service_account and self._identify is None:
            raise Stalled(
                "FeatureGateDisabled",
                "spec.serviceAccountName needs identities of single objects, which only the hub has: remove it, "
                "and the identity of this process is used",
            )
        return await self._identify(namespace, service_account) if self._identify is not None else None


async def secret_of(namespace: str, name: str, read: ReadSecret) -> Mapping[str, bytes]:
    """
    Return the data of a Secret.

    Raises:
        Transient: It cannot be read (reason ``AuthenticationFailed``).
    """
    where = f"{namespace}/{name}"
    try:
        return await read(namespace, name)
    except NotFound as error:
        message = f"failed to get secret '{where}': secrets \"{name}\" not found"
        raise Transient("AuthenticationFailed", message) from error
    except ApiError as error:
        raise Transient("AuthenticationFailed", f"failed to get secret '{where}': {error.message}") from error


def _check(spec: GitRepositorySpec) -> None:
    try:
        Remote.of(spec.url, None, 1.0)
    except ValueError as error:
        raise Stalled("URLInvalid", f"failed to parse url '{redact_urls(spec.url)}': {error}") from error
    if (spec.provider or "") not in (*_GENERIC, *_OTHERS):
        known = ", ".join(("generic", *_OTHERS))
        raise Stalled("InvalidProviderConfiguration", f"spec.provider '{spec.provider}' is not one of {known}")
    if spec.provider == "github" and spec.secret_ref is None:
        message = "secretRef with github app data must be specified when provider is set to github"
        raise Stalled("InvalidProviderConfiguration", message)


def _is_ssh(spec: GitRepositorySpec) -> bool:
    return spec.url.startswith("ssh:")
