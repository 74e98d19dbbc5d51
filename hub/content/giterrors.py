"""What git printed, in words that help: the cause and the way out. What git said stays at the end."""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hub.content.git import GitFailed
from hub.content.gitauth import redact_urls

if TYPE_CHECKING:
    from hub.content.gitauth import GitAuth

_PROBE = 10.0
"""Seconds for asking the server again what is wrong with its certificate."""
_HANDSHAKE = re.compile(r"certificate|SSL|TLS|getpeername|Connection reset")
_CAUSES = (
    (
        r"Authentication failed|could not read (Username|Password)|error: 40[13]|terminal prompts disabled",
        "authentication required: {refused}",
    ),
    (
        r"CONNECT tunnel failed|CONNECT aborted|error: 407|from proxy after CONNECT|resolve proxy",
        "the proxy did not let us through: check the Secret of spec.proxySecretRef",
    ),
    (
        r"error: 30[1278]",
        "the server redirects, which is not followed with a bearer token: set spec.url to the address it names",
    ),
    (
        r"repository '.*' not found|error: 404",
        "repository not found: check spec.url, and that the credentials may read it",
    ),
    (
        r"is this a git repository|not a git repository|invalid server response|protocol error|bad line length",
        "the server does not answer as a git server: check spec.url",
    ),
    (r"Could not resolve host", "the host name cannot be resolved: check spec.url and DNS"),
    (r"Failed to connect|Couldn't connect|Connection refused", "the server does not accept connections"),
    (
        r"early EOF|invalid index-pack output|unexpected disconnect|hung up unexpectedly|transfer closed|RPC failed",
        "the server ended its answer too early",
    ),
    (r"transport '.*' not allowed", "the URL scheme is not supported: use http, https or ssh"),
)
_VERIFY_CODES = {
    9: "the server's certificate is not valid yet: check the clocks",
    10: "the server's certificate has expired: it has to be renewed",
    18: "the server's certificate is signed by itself and not trusted: give it as 'ca.crt' in the Secret",
    62: "the server's certificate is for another host name",
    64: "the server's certificate is for another address",
}
_UNTRUSTED = "the server's certificate is not trusted: give its CA as 'ca.crt' in the Secret"


def failed(verb: str, url: str, why: str) -> GitFailed:
    """Return the error in the form of Flux sources fact 25."""
    return GitFailed(f"failed to checkout and determine revision: unable to {verb} '{url}': {why}")


def is_known(text: str) -> bool:
    """Say whether the server, or the way there, is at fault, and not what lies on our disk."""
    return any(re.search(pattern, text) for pattern, _ in _CAUSES[:-2]) or bool(_HANDSHAKE.search(text))


def cause_of(text: str, auth: GitAuth) -> str:
    """Return cause and way out for what git printed when it talked to a server; what git said stays at the end."""
    said = _said(text)
    for pattern, cause in _CAUSES:
        if re.search(pattern, text):
            return f"{cause.format(refused=_refused(auth))} ({said})"
    return said


async def explain(text: str, url: str, auth: GitAuth) -> str:
    """Return what :func:`cause_of` does, and ask the server when its certificate is to blame."""
    cause, said = cause_of(text, auth), _said(text)
    if cause == said and url.startswith("https:") and _HANDSHAKE.search(text):
        return f"{await _about_certificate(url, auth)} ({said})"
    return cause


def _said(text: str) -> str:
    return redact_urls(" ".join(line.removeprefix("fatal: ") for line in text.splitlines() if line.strip()))


def _refused(auth: GitAuth) -> str:
    if auth.bearer_token:
        return "the server refused the bearer token"
    if auth.username or auth.password:
        return "the server refused the username and password of the Secret"
    return "name a Secret with 'username' and 'password' in spec.secretRef"


async def _about_certificate(url: str, auth: GitAuth) -> str:
    """Ask the server for its certificate again: git does not say what is wrong with it."""
    parts = urlsplit(url)
    if auth.proxy:
        return _UNTRUSTED
    try:
        context = await asyncio.to_thread(ssl.create_default_context, cadata=auth.ca or None)
        async with asyncio.timeout(_PROBE):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or 443, ssl=context)
    except ssl.SSLCertVerificationError as error:
        return _VERIFY_CODES.get(error.verify_code, _UNTRUSTED)
    except ssl.SSLError as error:
        return f"'ca.crt' in the Secret cannot be used ({error.reason})" if auth.ca else _UNTRUSTED
    except (OSError, TimeoutError):
        return _UNTRUSTED
    writer.transport.abort()
    if auth.key:
        return "the server ended the TLS handshake: it may not accept 'tls.crt' of the Secret"
    return "the server ended the TLS handshake: it may want 'tls.crt' and 'tls.key' in the Secret"
