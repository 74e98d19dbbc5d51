"""
Calls that carry a token of an identity provider: who signed it, for whom, and what it says.

Follows Flux notification fact 23 (``gcr``, ``generic-oidc``). The provider's keys are fetched when they are needed and
remembered; only asymmetric signatures count.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import aiohttp

from hub.content.cel import Expression
from hub.notify.verify import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from hub.api.notification import OIDCProvider, Receiver
    from hub.notify.verify import Call

GOOGLE_ISSUERS = ("https://accounts.google.com", "accounts.google.com")
GOOGLE_KEYS = "https://www.googleapis.com/oauth2/v3/certs"
AUDIENCE = "notification-controller"

_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_LEEWAY = 10.0  # seconds that clocks may differ
_KEPT = 3600.0  # seconds that keys are remembered
_PAUSE = 30.0  # seconds between two fetches because of a key that is not known
_LARGEST = 1 << 20
_TIMEOUT = aiohttp.ClientTimeout(total=10)


class Identities:
    """
    Checks tokens.

    Args:
        session: Returns what HTTP requests are made with.
        google_keys: Where Google publishes its keys.
        clock: Returns seconds.
    """

    def __init__(
        self,
        session: Callable[[], aiohttp.ClientSession],
        *,
        google_keys: str = GOOGLE_KEYS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._google_keys = google_keys
        self._clock = clock
        self._keys: dict[str, tuple[float, dict[str, Any]]] = {}

    async def claims(self, receiver: Receiver, secret: dict[str, bytes], call: Call) -> dict[str, Any]:
        """
        Return what the token of a call says; nothing for types that have none.

        Raises:
            Refused: There is no token, it is not one of those that count, or its keys cannot be had.
        """
        match receiver.spec.type:
            case "gcr":
                return await self._google(secret, _bearer(call))
            case "generic-oidc":
                return await self._of_provider(receiver.spec.oidc_providers, _bearer(call))
        return {}

    async def _google(self, secret: dict[str, bytes], text: str) -> dict[str, Any]:
        email, audience = (secret.get(key, b"").decode("utf-8", "replace") for key in ("email", "audience"))
        if not email or not audience:
            raise Refused("the Secret of this Receiver has no 'email' or no 'audience'")
        claims = await self._verified(text, self._google_keys, audience, GOOGLE_ISSUERS)
        if claims.get("email") != email or claims.get("email_verified") is not True:
            raise Refused("the token is not that of the account in the Secret of this Receiver")
        return claims

    async def _of_provider(self, providers: list[OIDCProvider], text: str) -> dict[str, Any]:
        issuer = _unverified(text)
        provider = next((one for one in providers if one.issuer_url == issuer), None)
        if provider is None:
            raise Refused("the issuer of the token is not one of spec.oidcProviders")
        about = await self._document(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if about.get("issuer") != issuer or not isinstance(about.get("jwks_uri"), str):
            raise Refused("the issuer of the token does not describe itself as OpenID Connect asks")
        claims = await self._verified(text, about["jwks_uri"], provider.audience or AUDIENCE, (issuer,))
        await asyncio.to_thread(_validate, provider, claims)
        return claims

    async def _verified(self, text: str, keys: str, audience: str, issuers: tuple[str, ...]) -> dict[str, Any]:
        import jwt  # noqa: PLC0415  loaded when somebody uses it

        try:
            name = jwt.get_unverified_header(text).get("kid")
            key = jwt.PyJWK(await self._key(keys, name))
            claims: dict[str, Any] = jwt.decode(
                text, key, _ALGORITHMS, audience=audience, issuer=issuers, leeway=_LEEWAY,
                options={"require": ["exp", "iss", "aud"]},
            )  # fmt: skip
        except jwt.PyJWTError as error:
            raise Refused(f"the token is not valid: {error}") from error
        return claims

    async def _key(self, url: str, name: Any) -> dict[str, Any]:
        """Return a key by its name; one that is not known is asked for again, but not all the time."""
        now = self._clock()
        since, document = self._keys.get(url, (-_KEPT, {}))
        found = _find(document, name)
        if now - since >= (_PAUSE if found is None else _KEPT):
            document = await self._document(url)
            self._keys[url] = (now, document)
            found = _find(document, name)
        if found is None:
            raise Refused("the token is signed with a key that its issuer does not have")
        return found

    async def _document(self, url: str) -> dict[str, Any]:
        try:
            async with self._session().get(url, timeout=_TIMEOUT, allow_redirects=False) as answer:
                answer.raise_for_status()
                body = await answer.content.read(_LARGEST)
                while not answer.content.at_eof() and len(body) < _LARGEST:
                    body += await answer.content.read(_LARGEST - len(body))
            found = json.loads(body)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise Refused(f"the keys of the token's issuer cannot be had: {type(error).__name__}") from error
        if not isinstance(found, dict):
            raise Refused("the keys of the token's issuer cannot be read")
        return found


def _bearer(call: Call) -> str:
    scheme, _, text = call.header("Authorization").partition(" ")
    if scheme.lower() != "bearer" or not text:
        raise Refused("the header Authorization has no bearer token")
    return text.strip()


def _unverified(text: str) -> str:
    """Return whom a token says it is from, to find out who has to have signed it."""
    import jwt  # noqa: PLC0415  loaded when somebody uses it

    try:
        return str(jwt.decode(text, options={"verify_signature": False}).get("iss", ""))
    except jwt.PyJWTError as error:
        raise Refused("the bearer token is not a JSON Web Token") from error


def _find(document: dict[str, Any], name: Any) -> dict[str, Any] | None:
    keys = document.get("keys")
    known = [one for one in keys if isinstance(one, dict)] if isinstance(keys, list) else []
    return next((one for one in known if one.get("kid") == name), None)


def _validate(provider: OIDCProvider, claims: dict[str, Any]) -> None:
    """Ask the validations of a provider about the claims of a token."""
    known: dict[str, Any] = {"claims": claims, "vars": {}}
    try:
        for variable in provider.variables:
            known["vars"][variable.name] = Expression(variable.expression).value(known)
        for validation in provider.validations:
            if not Expression(validation.expression).holds(known):
                raise Refused(validation.message)
    except ValueError as error:
        raise Refused(f"an expression of spec.oidcProviders cannot be evaluated: {error}") from error
