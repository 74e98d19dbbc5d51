"""
Logins to Azure that a Secret holds: a client with its secret or certificate, or one of the identities of the machine.

Follows Flux sources fact 49.
"""

from __future__ import annotations

import asyncio
import base64
import time
import uuid
from typing import TYPE_CHECKING

from hub.content.cloud.azure import ASSERTION
from hub.content.cloud.identity import Refused, key_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.content.cloud.azure import Azure
    from hub.content.cloud.identity import Token

_STATIC = ("accountKey", "sasKey")
_LIFE = 600


def is_login(data: Mapping[str, str]) -> bool:
    """Whether a Secret says who to log in as, and not the key itself."""
    return bool(data.get("clientId")) and not any(data.get(key) for key in _STATIC)


async def login(azure: Azure, data: Mapping[str, str], scope: str, proxy: str) -> Token:
    """Return an access token for what a Secret holds. Raises ``Refused``."""
    client, tenant = data["clientId"], data.get("tenantId", "")
    if not tenant:
        return await azure.token(scope, None, proxy, client)  # one of several identities of this machine
    authority = (data.get("authorityHost") or azure.authority).rstrip("/")

    async def renew() -> Token:
        proof = await _proof(data, f"{authority}/{tenant}/oauth2/v2.0/token")
        return await azure.login(tenant, client, scope, proof, proxy=proxy, authority=authority)

    texts = [f"{key}={value}" for key, value in sorted(data.items())]
    return await azure.held.get(key_of(None, "secret", authority, scope, proxy, *texts), renew)


async def _proof(data: Mapping[str, str], audience: str) -> dict[str, str]:
    if secret := data.get("clientSecret"):
        return {"client_secret": secret}
    if certificate := data.get("clientCertificate"):
        password = data.get("clientCertificatePassword", "")
        ticket = await asyncio.to_thread(_signed, certificate, password, data["clientId"], audience)
        return {"client_assertion_type": ASSERTION, "client_assertion": ticket}
    raise Refused("the Secret has neither 'clientSecret' nor 'clientCertificate' beside 'tenantId' and 'clientId'")


def _signed(pem: str, password: str, client: str, audience: str) -> str:
    """Return a statement of who we are, signed with the key that belongs to a certificate."""
    import jwt  # noqa: PLC0415  loaded when somebody uses it
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415

    try:
        key = serialization.load_pem_private_key(pem.encode(), password.encode() or None)
        certificate = x509.load_pem_x509_certificate(pem.encode())
    except (ValueError, TypeError) as error:
        why = "'clientCertificate' does not hold a certificate and its private key as PEM that can be read"
        raise Refused(f"{why} with 'clientCertificatePassword'") from error
    print_ = base64.urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).decode().rstrip("=")
    now = int(time.time())
    claims = {"aud": audience, "iss": client, "sub": client, "jti": str(uuid.uuid4()), "nbf": now, "exp": now + _LIFE}
    try:
        return jwt.encode(claims, key, algorithm="PS256", headers={"x5t#S256": print_})  # type: ignore[arg-type]
    except (jwt.PyJWTError, TypeError) as error:
        raise Refused("the key in 'clientCertificate' is not an RSA key") from error
