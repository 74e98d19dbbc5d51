"""
How one origin is reached over HTTP: TLS, proxy, and why there was no answer, in plain words.

Messages name the host and never repeat what was sent. TLS contexts are remembered by what they are made of: aiohttp
keeps connections apart by context, so equal settings share connections.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import hashlib
import os
import re
import ssl
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, TypedDict
from urllib.parse import quote, urlsplit

import aiohttp
from yarl import URL

from hub.content import digest as digests

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=30)
"""Seconds. Callers bound the whole; a server that stalls, before or within its answer, is given up sooner."""
_MAX_PROXY_ADDRESS = 2048
_BLOCK = 1 << 19  # bytes
_RETRY_AFTER = 60.0  # seconds
_ALERT = re.compile(r"[A-Z0-9_]*ALERT[A-Z_]*(?:CERTIFICATE|UNKNOWN_CA)[A-Z_]*")


class BadTlsError(ValueError):
    """Certificates or keys that cannot be used; the message says which and why."""


class BadProxyError(ValueError):
    """A proxy address that cannot be used."""


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM texts: whom to trust beside the system's authorities, and who we are."""

    ca: bytes = b""
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy and how to log in to it."""

    address: str
    username: str = ""
    password: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """The address with the login in it."""
        if not self.username:
            return self.address
        scheme, _, rest = self.address.partition("://")
        return f"{scheme}://{quote(self.username, safe='')}:{quote(self.password, safe='')}@{rest}"

    def check(self) -> None:
        """Raise :class:`BadProxyError` unless the address can be used."""
        scheme = urlsplit(self.address).scheme
        if not self.address or len(self.address) > _MAX_PROXY_ADDRESS or scheme not in {"http", "https"}:
            raise BadProxyError(
                f"the proxy address must look like http://host:port, not '{self.address[:60]}'"
                + (" (socks5 proxies are not supported)" if scheme.startswith("socks") else "")
            )


class TooLargeError(ValueError):
    """An answer has more bytes than it may have."""


class RequestOptions(TypedDict, total=False):
    """What aiohttp's request methods take."""

    ssl: ssl.SSLContext
    proxy: URL
    timeout: aiohttp.ClientTimeout


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach an origin; the default is the system's authorities and no proxy."""

    tls: Tls | None = None
    proxy: Proxy | None = None

    def options(self) -> RequestOptions:
        """
        Return the keyword arguments for a request of an ``aiohttp.ClientSession``.

        Raises:
            BadTlsError: The certificates cannot be used.
            BadProxyError: The proxy cannot be used.
        """
        options: RequestOptions = {"timeout": TIMEOUT}
        if self.tls is not None:
            options["ssl"] = tls_context(self.tls)
        if self.proxy is not None:
            self.proxy.check()
            url = URL(self.proxy.address)
            if self.proxy.username:
                url = url.with_user(self.proxy.username).with_password(self.proxy.password)
            options["proxy"] = url
        return options


async def download(response: aiohttp.ClientResponse, target: Path, max_size: int) -> tuple[int, str]:
    """
    Write the body of an answer into a file; return how many bytes it has, and their digest.

    Raises:
        TooLargeError: There are more than ``max_size``.
        aiohttp.ClientError: The answer broke off.
        OSError: The file cannot be written.
    """
    size, whole = 0, hashlib.sha256()
    with target.open("wb") as file:
        async for chunk in response.content.iter_chunked(_BLOCK):
            size += len(chunk)
            if size > max_size:
                raise TooLargeError
            await asyncio.to_thread(_take, file, whole, chunk)
    return size, f"{digests.ALGORITHM}:{whole.hexdigest()}"


async def whole(response: aiohttp.ClientResponse, max_size: int) -> bytes:
    """Return the body of a small answer, however many pieces it comes in. Raises as :func:`download`."""
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > max_size:
            raise TooLargeError
    return bytes(data)


def retry_after(response: aiohttp.ClientResponse) -> float:
    """Return the seconds after which a server wants to be asked again; a minute when it does not say."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else _RETRY_AFTER


def _take(file: IO[bytes], whole: hashlib._Hash, chunk: bytes) -> None:
    file.write(chunk)
    whole.update(chunk)


@functools.lru_cache(maxsize=64)
def tls_context(tls: Tls) -> ssl.SSLContext:
    """
    Return the context for TLS settings.

    Raises:
        BadTlsError: The certificates cannot be used.
    """
    context = ssl.create_default_context()
    if tls.ca:
        try:
            context.load_verify_locations(cadata=tls.ca.decode("ascii"))
        except (ssl.SSLError, ValueError) as error:
            raise BadTlsError("'ca.crt' does not hold a PEM certificate") from error
    if bool(tls.certificate) != bool(tls.key):
        raise BadTlsError("'tls.crt' and 'tls.key' must be given together")
    if tls.certificate:
        _load_pair(context, tls)
    return context


def _load_pair(context: ssl.SSLContext, tls: Tls) -> None:
    def no_password() -> str:
        raise BadTlsError("'tls.key' is encrypted")

    with _secret_file(tls.certificate) as certificate, _secret_file(tls.key) as key:
        try:
            context.load_cert_chain(certificate, key, password=no_password)
        except ssl.SSLError as error:
            why = "do not belong together" if error.reason == "KEY_VALUES_MISMATCH" else "are not PEM"
            raise BadTlsError(f"'tls.crt' and 'tls.key' {why}") from error


@contextmanager
def _secret_file(content: bytes) -> Iterator[str]:
    """Yield a path that this process can read ``content`` from; it is in memory."""
    descriptor = os.memfd_create("hub-tls", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def explain(error: BaseException, host: str) -> str:
    """Say why ``host`` gave no answer; for what aiohttp, ssl and the system raise."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return _certificate(error.certificate_error, host)
        case aiohttp.ClientConnectorDNSError():
            return f"cannot resolve the host name of {host}"
        case aiohttp.ClientProxyConnectionError():
            return f"cannot reach the proxy {error.host}:{error.port} on the way to {host}"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy on the way to {host} answered {error.status}"
        case aiohttp.ClientConnectorSSLError():
            return _handshake(error.os_error, host)
        case asyncio.TimeoutError():
            return f"{host} did not answer in time"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | ConnectionResetError():
            return f"{host} closed the connection before its answer was complete"
        case aiohttp.TooManyRedirects():
            return f"{host} redirects too often"
        case ssl.SSLError():
            return _handshake(error, host)
        case OSError():
            return _system(error, host)
        case _:
            return f"cannot talk to {host}: {type(error).__name__}"


def _system(error: OSError, host: str) -> str:
    if error.errno == errno.ECONNREFUSED:
        return f"{host} refused the connection"
    if (alert := _ALERT.search(str(error))) is not None:  # TLS 1.3: the server says so after the handshake
        return f"{host} does not accept our client certificate ({alert[0]})"
    return f"cannot reach {host}: {error.strerror or type(error).__name__}"


def _certificate(error: Exception, host: str) -> str:
    match getattr(error, "verify_code", None):
        case 10:  # X509_V_ERR_CERT_HAS_EXPIRED
            return f"the certificate of {host} has expired"
        case 9:
            return f"the certificate of {host} is not valid yet"
        case 62 | 64:
            return f"the certificate of {host} is for another host name"
        case _:
            why = getattr(error, "verify_message", "") or "not trusted"
            return f"the certificate of {host} is signed by an unknown authority ({why}): certSecretRef can name it"


def _handshake(error: BaseException, host: str) -> str:
    reason = getattr(error, "reason", None) or type(error).__name__
    if reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"}:
        return f"{host} does not speak TLS: spec.insecure allows plain HTTP"
    if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason):
        return f"{host} does not accept our client certificate ({reason})"
    return f"the TLS handshake with {host} failed ({reason})"
