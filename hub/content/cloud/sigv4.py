"""
AWS Signature Version 4: requests and URLs that say who asks. Pure.

For JSON and query APIs, whose paths need no second escaping; buckets are signed by their own library.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """Who we are for AWS; ``token`` belongs to keys that end."""

    access: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signature is for, and when (UTC) it is made."""

    region: str
    service: str
    now: datetime

    def __str__(self) -> str:
        return f"{self.now:%Y%m%d}/{self.region}/{self.service}/aws4_request"

    @property
    def stamp(self) -> str:
        """When, as signatures say it."""
        return f"{self.now:%Y%m%dT%H%M%SZ}"


def signed_headers(
    method: str, url: str, headers: Mapping[str, str], body: bytes, *, keys: AwsKeys, scope: Scope
) -> dict[str, str]:
    """Return the headers with which a request has to be sent."""
    sent = {**headers, "Host": urlsplit(url).netloc, "X-Amz-Date": scope.stamp}
    if keys.token:
        sent["X-Amz-Security-Token"] = keys.token
    names, canonical = _canonical(method, url, sent, hashlib.sha256(body).hexdigest(), "")
    signature = sign(keys.secret, scope, canonical)
    sent["Authorization"] = (
        f"{_ALGORITHM} Credential={keys.access}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return sent


def presigned_url(url: str, headers: Mapping[str, str], *, keys: AwsKeys, scope: Scope, seconds: int) -> str:
    """Return a URL that anybody can GET for so many seconds with these headers, as the one who has the keys."""
    sent = {**headers, "Host": urlsplit(url).netloc}
    query = {
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{keys.access}/{scope}",
        "X-Amz-Date": scope.stamp,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": ";".join(sorted(name.lower() for name in sent)),
    }
    if keys.token:
        query["X-Amz-Security-Token"] = keys.token
    more = "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in query.items())
    content = "UNSIGNED-PAYLOAD" if scope.service == "s3" else hashlib.sha256(b"").hexdigest()
    _, canonical = _canonical("GET", url, sent, content, more)
    joint = "&" if urlsplit(url).query else "?"
    return f"{url}{joint}{more}&X-Amz-Signature={sign(keys.secret, scope, canonical)}"


def sign(secret: str, scope: Scope, canonical: str) -> str:
    """Return the signature of a canonical request."""
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return sign_text(secret, str(scope), f"{_ALGORITHM}\n{scope.stamp}\n{scope}\n{digest}")


def sign_text(secret: str, scope: str, text: str) -> str:
    """Return the signature of a text that names a scope."""
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def _canonical(method: str, url: str, headers: Mapping[str, str], content: str, more: str) -> tuple[str, str]:
    """Return the names of the signed headers, and the text that is signed."""
    parts = urlsplit(url)
    query = parse_qsl("&".join(part for part in (parts.query, more) if part), keep_blank_values=True)
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query)
    texts = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    names = ";".join(sorted(texts))
    lines = [
        method,
        parts.path or "/",
        "&".join(f"{name}={value}" for name, value in pairs),
        *(f"{name}:{texts[name]}" for name in sorted(texts)),
        "",
        names,
        content,
    ]
    return names, "\n".join(lines)
