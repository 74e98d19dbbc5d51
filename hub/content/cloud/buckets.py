"""
Getting in to buckets with something that ends: identities, keys of service accounts, and services that give tokens.

Follows Flux sources fact 49. What never ends (access keys, account keys, SAS) is for the library that reads buckets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from hub.content.cloud.aws import Way
from hub.content.cloud.azure import STORAGE
from hub.content.cloud.azuresecret import is_login, login
from hub.content.cloud.identity import Refused, asking

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from hub.content.cloud.clouds import Clouds
    from hub.content.cloud.identity import Token, Workload

    Renew = Callable[[], Awaitable[dict[str, Any]]]
    """Returns credentials as obstore takes them; raises ``NoToken``."""

_HOSTS = {
    "aws": re.compile(""),  # it signs requests, and sends nothing that others could use
    "azure": re.compile(
        r"\.(?:blob|dfs)\.(?:core\.(?:windows\.net|chinacloudapi\.cn|usgovcloudapi\.net)|storage\.azure\.net)\Z"
    ),
    "gcp": re.compile(r"(?:^|\.)googleapis\.com\Z"),
}
_FOREVER = datetime(9999, 1, 1, tzinfo=UTC)


class Service(NamedTuple):
    """A service that gives keys for a bucket; the LDAP login and its authority (PEM) are for ``generic`` buckets."""

    endpoint: str
    username: str = ""
    password: str = ""
    ca: str = ""


@dataclass(frozen=True, slots=True)
class BucketAccess:
    """
    How a bucket is to be opened.

    Attributes:
        provider: ``generic``, ``aws``, ``gcp`` or ``azure``.
        region: Of the bucket.
        credentials: As the Secret names them.
        workload: Who asks; None is the hub itself.
        proxy: URL of the proxy on the way.
        service: Where keys come from, when it is said.
        endpoint: Of the bucket.
    """

    provider: str
    region: str = ""
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    workload: Workload | None = None
    proxy: str = ""
    service: Service | None = None
    endpoint: str = ""

    @property
    def is_own(self) -> bool:
        """Whether it is the hub itself that logs in to a cloud."""
        given = self.credentials
        of_machine = self.provider == "azure" and is_login(given) and not given.get("tenantId")
        return self.provider in _HOSTS and self.workload is None and (not given or of_machine)


def renewal(clouds: Clouds, access: BucketAccess) -> Renew | None:
    """
    Return what gives credentials that end; None when those of the Secret do not, or nobody logs in.

    It refuses to give the hub's own token to a host that is not one of that cloud.
    """
    given, workload = access.credentials, access.workload
    ask: Callable[[], Awaitable[Token]]
    match access.provider:
        case "aws" if not given:
            way = Way(access.region, access.proxy, access.service.endpoint if access.service is not None else "")
            ask = partial(clouds.aws.keys, workload, way)
        case "generic" if access.service is not None and not given:
            ask = partial(clouds.aws.ldap, *access.service[:3], access.proxy, access.service.ca)
        case "gcp" if given.get("serviceaccount"):
            ask = partial(clouds.gcp.token_of_key, given["serviceaccount"], access.proxy)
        case "gcp" if not given:
            ask = partial(clouds.gcp.token, workload, access.proxy)
        case "azure" if not given:
            ask = partial(clouds.azure.token, STORAGE, workload, access.proxy)
        case "azure" if is_login(given):
            ask = partial(login, clouds.azure, given, STORAGE, access.proxy)
        case _:
            return None

    async def renew() -> dict[str, Any]:
        with asking(access.provider, workload):
            _check(access)
            return _as_obstore_has_it(await ask())

    return renew


def _check(access: BucketAccess) -> None:
    host = access.endpoint.partition("://")[2] or access.endpoint
    name = host.partition("/")[0].partition(":")[0]
    if access.is_own and _HOSTS[access.provider].search(name) is None:
        raise Refused(f"'{access.endpoint}' is not a host of that cloud, and it would be given the hub's own token")


def _as_obstore_has_it(token: Token) -> dict[str, Any]:
    until = datetime.fromtimestamp(token.until, UTC) if token.until < _FOREVER.timestamp() else _FOREVER
    if isinstance(token.value, str):
        return {"token": token.value, "expires_at": until}
    keys = token.value
    found = {"access_key_id": keys.access, "secret_access_key": keys.secret, "expires_at": until}
    return found | ({"token": keys.token} if keys.token else {})
