"""
When a kubeconfig stops to work, read from the credentials themselves. Pure.

A client certificate says until when it is valid, and so does a token that is a JWT. Nothing is verified: the member
does that; here it is only told in time.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from hub.kube.config import ClusterConfig

AHEAD: Final = timedelta(days=7)
"""How long before the end it is told, at most."""

_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_VERSION, _UTC_TIME = 0xA0, 0x17  # tags
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
    try:
        since, at = _validity(pem)
    except (ValueError, IndexError):
        return None
    return _expiry(Credential.CERTIFICATE, since, at)


def _validity(pem: bytes) -> tuple[datetime, datetime]:
    """
    Return from when to when the first certificate is valid; the others are authorities.

    Two times of a structure that is fixed (RFC 5280, section 4.1) are read by hand: the library for certificates costs
    a hub 5 MiB, for nothing else.
    """
    found = _PEM.search(pem)
    if found is None:
        raise ValueError("no certificate")
    certificate = _elements(base64.b64decode(found[1]))[0].content
    to_be_signed = _elements(_elements(certificate)[0].content)
    version = 1 if to_be_signed[0].tag == _VERSION else 0  # it is optional; then: number, algorithm, issuer
    since, at = _elements(to_be_signed[version + 3].content)
    return _time(since), _time(at)


class _Element(NamedTuple):
    tag: int
    content: bytes


def _elements(der: bytes) -> list[_Element]:
    """Read what stands one after the other in DER."""
    found, at = [], 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:  # so many bytes of length follow
            size = length & 0x7F
            length, at = int.from_bytes(der[at : at + size]), at + size
        found.append(_Element(tag, der[at : at + length]))
        at += length
    return found


def _time(element: _Element) -> datetime:
    """Read UTCTime, whose years are those from 1950 on, or GeneralizedTime."""
    text = element.content.decode("ascii")
    if element.tag == _UTC_TIME:
        text = ("19" if text >= "5" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


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
