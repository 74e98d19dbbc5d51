"""
When a kubeconfig stops to work, read from the credentials themselves. Pure.

A client certificate says until when it is valid, and so does a token that is a JWT. Nothing is verified: the member
does that; here it is only told in time.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hub.kube.config import ClusterConfig

AHEAD: Final = timedelta(days=7)
"""How long before the end it is told, at most."""

_SHARE = 0.2
"""Of its life that a credential has left when it is told: else a token of an hour would be told of all the time."""


class Credential(StrEnum):
    """What may expire."""

    CERTIFICATE = "client certificate"
    TOKEN = "token"  # noqa: S105  # a word, not one


@dataclass(frozen=True, slots=True)
class Expiry:
    """
    The end of a credential.

    Attributes:
        what: Which one.
        at: When (UTC).
        warn_from: From when on people are told.
    """

    what: Credential
    at: datetime
    warn_from: datetime


def expiry_of(config: ClusterConfig) -> Expiry | None:
    """Return the first end of what a kubeconfig holds; None when nothing in it says when it ends."""
    found = [one for one in (_of_certificate(config.client_cert), _of_token(config.token)) if one is not None]
    return min(found, key=lambda one: one.at, default=None)


def _of_certificate(pem: bytes) -> Expiry | None:
    if not pem:
        return None
    from cryptography import x509  # noqa: PLC0415  7 MiB that a hub whose members are reached by tokens is spared

    try:
        certificate = x509.load_pem_x509_certificate(pem)  # the first one: the others are authorities
    except ValueError:
        return None
    return _expiry(Credential.CERTIFICATE, certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def _of_token(token: str) -> Expiry | None:
    claims = _claims(token)
    at = _moment(claims.get("exp"))
    if at is None:
        return None
    return _expiry(Credential.TOKEN, _moment(claims.get("iat")) or _moment(claims.get("nbf")), at)


def _expiry(what: Credential, since: datetime | None, at: datetime) -> Expiry:
    ahead = min(AHEAD, (at - since) * _SHARE) if since is not None else AHEAD
    return Expiry(what, at, at - ahead)


def _claims(token: str) -> dict[str, Any]:
    """The claims of a JWT; empty for any other token."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:  # not base64, not UTF-8, not JSON
        return {}
    return claims if isinstance(claims, dict) else {}


def _moment(seconds: Any) -> datetime | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None
