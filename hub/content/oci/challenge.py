"""
Logging in to a registry: it answers 401 and says how, we come back with what it asked for.

A ``Bearer`` challenge names a token server; access tokens are kept until shortly before they expire, for everybody who
asks with the same credentials for the same thing.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp

from hub.content.http import TooLargeError, explain, retry_after, whole
from hub.content.oci.errors import BadAnswer, RegistryDenied, RegistryError, RegistryUnreachable, TooManyRequests

if TYPE_CHECKING:
    from collections.abc import Callable

    from hub.content.http import RequestOptions
    from hub.content.oci.credentials import Credentials

_PARAMETER = re.compile(r'([a-zA-Z]+)=(?:"((?:[^"\\]|\\.)*)"|([^",\s]+))')
_LIFETIME = 60.0  # seconds, when the token server does not say
_MARGIN = 10.0  # seconds before the end at which a token is renewed
_MAX_ANSWER = 1 << 20
_KEPT = 2048
_CLIENT = "hub"


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a ``WWW-Authenticate`` header asks for; ``scheme`` in lower case."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


def parse_challenge(header: str) -> Challenge:
    """Read a ``WWW-Authenticate`` header."""
    scheme, _, rest = header.strip().partition(" ")
    found = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(rest)}
    return Challenge(scheme.lower(), found.get("realm", ""), found.get("service", ""), found.get("scope", ""))


class Tokens:
    """Access tokens of the whole process, by what they were given for."""

    def __init__(
        self, session: Callable[[], aiohttp.ClientSession], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._session = session
        self._clock = clock
        self._held: dict[tuple[object, ...], tuple[float, str]] = {}

    def held(self, key: tuple[object, ...]) -> str:
        """Return the ``Authorization`` that served last for a key; empty when there is none that is still valid."""
        until, value = self._held.get(key, (0.0, ""))
        return value if until > self._clock() else ""

    def forget(self, key: tuple[object, ...]) -> None:
        """Do not use what is held for a key any more: it was refused."""
        self._held.pop(key, None)

    async def answer(
        self,
        key: tuple[object, ...],
        challenge: Challenge,
        scope: str,
        credentials: Credentials | None,
        options: RequestOptions,
        *,
        plain: bool,
    ) -> str:
        """
        Return the ``Authorization`` that answers a challenge, and hold it for ``key``.

        Args:
            key: Registry, credentials and scope.
            challenge: Of the registry.
            scope: E.g. ``repository:org/app:pull``; taken when the challenge names none.
            credentials: None logs in as nobody.
            options: For the request to the token server.
            plain: The registry itself is spoken to without TLS, so its token server may be, too.

        Raises:
            RegistryError: It cannot be answered.
        """
        lifetime = float("inf")
        if challenge.scheme == "basic":
            if credentials is None or not credentials.username:
                raise RegistryDenied("the registry wants a user name and a password, and none were given", 401)
            value = credentials.basic
        elif challenge.scheme == "bearer":
            if credentials is not None and credentials.registry_token:
                value = f"Bearer {credentials.registry_token}"
            else:
                lifetime, token = await self._exchange(challenge, scope, credentials, options, plain=plain)
                value = f"Bearer {token}"
        else:
            raise RegistryDenied(
                f"the registry wants to be logged in to by '{challenge.scheme}', which is unknown", 401
            )
        self._keep(key, lifetime, value)
        return value

    def _keep(self, key: tuple[object, ...], lifetime: float, value: str) -> None:
        now = self._clock()
        if len(self._held) >= _KEPT:
            self._held = {key: held for key, held in self._held.items() if held[0] > now}
            if len(self._held) >= _KEPT:
                self._held.clear()
        self._held[key] = (now + max(lifetime - _MARGIN, 0.0), value)

    async def _exchange(
        self,
        challenge: Challenge,
        scope: str,
        credentials: Credentials | None,
        options: RequestOptions,
        *,
        plain: bool,
    ) -> tuple[float, str]:
        realm = urlsplit(challenge.realm)
        if realm.scheme != "https" and not (plain and realm.scheme == "http"):
            raise BadAnswer(f"the registry names '{challenge.realm}' as its token server: only https:// is trusted")
        fields = {"service": challenge.service, "scope": challenge.scope or scope}
        fields = {name: value for name, value in fields.items() if value}
        if credentials is not None and credentials.identity_token:
            fields |= {
                "grant_type": "refresh_token",
                "refresh_token": credentials.identity_token,
                "client_id": _CLIENT,
            }
            found = await self._ask("POST", challenge.realm, options, data=fields)
        else:
            login = credentials is not None and credentials.username
            headers = {"Authorization": credentials.basic} if login and credentials else {}
            found = await self._ask("GET", challenge.realm, options, params=fields, headers=headers)
        token = found.get("token") or found.get("access_token")
        if not isinstance(token, str):
            raise BadAnswer(f"the token server {realm.netloc} gave no token")
        lifetime = found.get("expires_in")
        return (float(lifetime) if isinstance(lifetime, int | float) else _LIFETIME), token

    async def _ask(self, method: str, url: str, options: RequestOptions, **more: Any) -> dict[str, Any]:
        host = urlsplit(url).netloc
        try:
            async with self._session().request(method, url, allow_redirects=False, **more, **options) as response:
                body = await whole(response, _MAX_ANSWER)
                if response.status in {400, 401, 403}:
                    raise RegistryDenied(
                        f"the token server {host} does not accept the credentials (HTTP status {response.status})",
                        response.status,
                    )
                if response.status == 429:
                    raise TooManyRequests(f"the token server {host} has had too many requests", retry_after(response))
                if response.status != 200:
                    raise RegistryError(f"the token server {host} answered {response.status}", response.status)
        except TooLargeError as error:
            raise BadAnswer(f"the token server {host} answered more than {_MAX_ANSWER} bytes") from error
        except (aiohttp.ClientError, OSError) as error:
            raise RegistryUnreachable(explain(error, host)) from error
        try:
            found = json.loads(body)
        except ValueError as error:
            raise BadAnswer(f"the token server {host} does not answer in JSON") from error
        if not isinstance(found, dict):
            raise BadAnswer(f"the token server {host} gave no token")
        return found
