"""Why there was no answer, in plain words. Every message names ``host:port``; none repeats what was sent."""

from __future__ import annotations

import asyncio
import errno
import ssl
from enum import StrEnum

import aiohttp

from hub.errors import Transient

_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED
_NOT_YET_VALID = 9
_HOSTNAME = 62
_IP_ADDRESS = 64


class Cause(StrEnum):
    """What kept the answer away."""

    REFUSED = "refused"
    RESET = "reset"
    NAME = "name"
    ROUTE = "route"
    TLS = "tls"
    PROXY = "proxy"
    TIMEOUT = "timeout"
    CREDENTIALS = "credentials"
    OTHER = "other"


class Unreachable(Transient):
    """The API server gave no answer: refused, reset, unknown name, TLS, or too slow.

    Attributes:
        address: ``host:port`` that was tried.
        cause: Which of these it was.
    """

    def __init__(self, address: str, cause: Cause, message: str) -> None:
        super().__init__("Unreachable", message)
        self.address = address
        self.cause = cause


def explain(error: BaseException, address: str, seconds: float | None = None) -> Unreachable:
    """Turn what aiohttp, ssl or the system raised into an :class:`Unreachable`."""
    cause, message = _describe(error, address, seconds)
    return Unreachable(address, cause, message)


def _describe(error: BaseException, address: str, seconds: float | None) -> tuple[Cause, str]:
    result: tuple[Cause, str]
    match error:
        case aiohttp.ClientConnectorCertificateError():
            result = Cause.TLS, _certificate(error.certificate_error, address)
        case aiohttp.ClientConnectorDNSError():
            result = Cause.NAME, f"cannot resolve the host name of {address}"
        case aiohttp.ClientProxyConnectionError():
            result = Cause.PROXY, f"cannot reach the proxy {error.host}:{error.port} on the way to {address}"
        case aiohttp.ClientHttpProxyError():
            result = Cause.PROXY, f"the proxy on the way to {address} answered {error.status}"
        case aiohttp.ClientConnectorSSLError():
            result = Cause.TLS, _handshake(error.os_error, address)
        case aiohttp.ConnectionTimeoutError():
            result = Cause.TIMEOUT, f"{address} did not accept a connection in time"
        case asyncio.TimeoutError():
            within = f"within {round(seconds, 1):g} s" if seconds is not None else "in time"
            result = Cause.TIMEOUT, f"{address} did not answer {within}"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | ConnectionResetError():
            result = Cause.RESET, f"{address} closed the connection before its answer was complete"
        case ssl.SSLError():
            result = Cause.TLS, _handshake(error, address)
        case OSError():
            result = _system(error, address)
        case _:
            result = Cause.OTHER, f"cannot talk to {address}: {type(error).__name__}"
    return result


def _certificate(error: Exception, address: str) -> str:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {address} was not accepted"
    match error.verify_code:
        case code if code == _EXPIRED:
            return f"the certificate of {address} has expired"
        case code if code == _NOT_YET_VALID:
            return f"the certificate of {address} is not valid yet"
        case code if code in (_HOSTNAME, _IP_ADDRESS):
            return f"the certificate of {address} is for another host name (tls-server-name can name the right one)"
        case _:
            why = f"is signed by an unknown authority ({error.verify_message})"
            return f"the certificate of {address} {why}: check certificate-authority-data"


def _handshake(error: BaseException, address: str) -> str:
    reason = getattr(error, "reason", None) or type(error).__name__
    if reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"}:
        return f"{address} does not speak TLS"
    if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason):
        return f"{address} does not accept our client certificate ({reason})"
    return f"the TLS handshake with {address} failed ({reason})"


def _system(error: OSError, address: str) -> tuple[Cause, str]:
    match error.errno:
        case errno.ECONNREFUSED:
            return Cause.REFUSED, f"{address} refused the connection"
        case errno.ECONNRESET | errno.EPIPE | errno.ECONNABORTED:
            return Cause.RESET, f"{address} closed the connection before its answer was complete"
        case errno.ETIMEDOUT:
            return Cause.TIMEOUT, f"{address} did not accept a connection in time"
        case errno.EHOSTUNREACH | errno.ENETUNREACH:
            return Cause.ROUTE, f"there is no route to {address}"
        case _:
            return Cause.OTHER, f"cannot reach {address}: {error.strerror or type(error).__name__}"
