"""
How git gets in: from the data of Secrets to what one run of git needs, and no longer than it needs it.

Credentials reach git through its environment and through memory, and belong to the one origin they were given for:
they are not in arguments, URLs, logs, or on the disk, and do not follow a redirect to another host. A password is
answered by a credential helper. A bearer token travels as a header, which git would repeat to whoever it is redirected
to, so with a token redirects are refused. TLS keys lie in anonymous memory that git opens by its path below ``/proc``.
SSH keys do not leave this process at all (:mod:`hub.content.gitssh`).

Names of keys follow Flux sources facts 14 and 23.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from hub.errors import Transient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from hub.content.gitssh import SshDoor

SCHEMES = ("http", "https", "ssh")
_USERNAME, _PASSWORD = "HUB_GIT_USERNAME", "HUB_GIT_PASSWORD"
_HELPER = (
    f'!f() {{ test "$1" = get && printf "username=%s\\npassword=%s\\n" "${_USERNAME}" "${_PASSWORD}"; return 0; }}; f'
)
_PROXY_SCHEMES = ("http", "https", "socks5")
_PROXY_LENGTH = 2048


class AuthInvalid(Transient):
    """Credentials that cannot be used as they are; the message names the key of the Secret, never its content."""

    def __init__(self, message: str) -> None:
        super().__init__("AuthenticationFailed", f"failed to configure authentication options: {message}")


@dataclass(frozen=True, slots=True)
class GitAuth:
    """How to get in to one origin.

    Attributes:
        username: Also the user of an ssh login.
        bearer_token: Wins over username and password.
        ca: PEM certificates to trust instead of the system's.
        cert: PEM certificate for mutual TLS, with ``key``.
        identity: Private key for ssh, encrypted with ``passphrase`` or not at all.
        known_hosts: Host keys that are trusted, as OpenSSH writes them; no other is.
        proxy: URL of the proxy, with user information when it wants some.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    bearer_token: str = field(default="", repr=False)
    ca: str = field(default="", repr=False)
    cert: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    identity: str = field(default="", repr=False)
    passphrase: str = field(default="", repr=False)
    known_hosts: str = field(default="", repr=False)
    proxy: str = field(default="", repr=False)

    def redact(self, text: str) -> str:
        """Return the text without the secrets, and without user information in URLs."""
        proxy = unquote(urlsplit(self.proxy).password or "") if self.proxy else ""
        secrets = (self.bearer_token, self.password, self.passphrase, proxy)
        for secret in secrets:
            if secret:
                text = text.replace(secret, "***").replace(quote(secret, safe=""), "***")
        return redact_urls(text)

    def elsewhere(self) -> GitAuth:
        """Return what may be used for another http(s) host: the way there, but nothing that lets in."""
        return GitAuth(proxy=self.proxy)


@dataclass(frozen=True, slots=True)
class GitAccess:
    """What one run of git needs besides its arguments.

    Attributes:
        env: For the environment of the run; holds secrets.
    """

    env: dict[str, str] = field(repr=False)
    _door: SshDoor | None = field(default=None, repr=False)

    @property
    def problem(self) -> str:
        """Why the connection failed, when this process knows better than git: ssh only, else empty."""
        return self._door.problem if self._door is not None else ""


def auth_of(url: str, data: Mapping[str, bytes], proxy: Mapping[str, bytes] | None = None) -> GitAuth:
    """
    Read the data of a Git Secret, and of a proxy Secret, for a URL.

    Raises:
        AuthInvalid: A key is missing or does not fit.
    """
    texts = {name: value.decode(errors="replace") for name, value in data.items()}
    scheme = urlsplit(url).scheme
    found = _ssh(texts) if scheme == "ssh" else _http(texts, url)
    return replace(found, proxy=proxy_of(proxy)) if proxy is not None else found


def proxy_of(data: Mapping[str, bytes]) -> str:
    """
    Read a proxy Secret into one URL.

    Raises:
        AuthInvalid: No address, or one that cannot be a proxy's.
    """
    texts = {name: value.decode(errors="replace").strip() for name, value in data.items()}
    address = texts.get("address", "")
    if not address:
        raise AuthInvalid("invalid proxy secret: key 'address' is missing")
    parts = urlsplit(address)
    if len(address) > _PROXY_LENGTH or parts.scheme not in _PROXY_SCHEMES or not parts.hostname:
        raise AuthInvalid("invalid proxy secret: 'address' has to be an http://, https:// or socks5:// URL with a host")
    if not texts.get("username"):
        return address
    user = f"{quote(texts['username'], safe='')}:{quote(texts.get('password', ''), safe='')}"
    return urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc.rpartition('@')[2]}"))


def split_url(url: str, auth: GitAuth | None) -> tuple[str, GitAuth]:
    """
    Take secrets out of a URL; what ``auth`` says wins over it. The user of an ssh URL stays: it is part of the address.

    Raises:
        ValueError: Not a URL with a host that git is allowed to use.
    """
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise ValueError(f"unsupported scheme '{parts.scheme}': http, https and ssh are supported")
    if not parts.hostname or parts.hostname.startswith("-"):
        raise ValueError("no host")
    parts.port  # noqa: B018  raises for one that is no number
    host = parts.netloc.rpartition("@")[2]
    user = unquote(parts.username or "")
    if user.startswith("-"):
        raise ValueError("a user cannot begin with '-'")
    given = auth if auth is not None else GitAuth()
    if parts.scheme == "ssh":
        user = user or "git"
        bare = urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}@{host}", query="", fragment=""))
        return bare, replace(given, username=user)
    return urlunsplit(parts._replace(netloc=host)), replace(
        given, username=given.username or user, password=given.password or unquote(parts.password or "")
    )


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], path="", query="", fragment=""))


def redact_urls(text: str) -> str:
    """Remove ``user:password@`` from every URL in a text."""
    return re.sub(r"://[^/@\s'\"]*@", "://", text)


@contextlib.asynccontextmanager
async def opened(url: str, auth: GitAuth) -> AsyncIterator[GitAccess]:
    """
    Give what lets one run of git talk to the origin of ``url``, and take it back at the end of the block.

    Example::

        async with opened(url, auth) as access:
            await runner.run(["push", url, "HEAD:main"], read, timeout=60, env=access.env, auth=auth)

    Raises:
        AuthInvalid: The ssh key or the known hosts cannot be read.
    """
    if urlsplit(url).scheme != "ssh":
        with contextlib.ExitStack() as stack:
            yield GitAccess(_http_environment(url, auth, stack))
        return
    from hub.content import gitssh  # noqa: PLC0415  the ssh library is loaded when somebody uses ssh

    async with gitssh.open_door(auth) as door:
        yield GitAccess(configuration({}) | {"GIT_ALLOW_PROTOCOL": "ssh"} | door.env, door)


def configuration(more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment that gives git its whole configuration: ours, and ``more``."""
    config = {
        "core.hooksPath": os.devnull,
        "credential.helper": "",
        "fetch.unpackLimit": "1",
        "gc.auto": "0",
        "maintenance.auto": "false",
        "protocol.version": "2",
        "safe.directory": "*",
        **more,
    }
    env = {"GIT_CONFIG_COUNT": str(len(config))}
    for number, (key, value) in enumerate(config.items()):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return env


def _ssh(texts: Mapping[str, str]) -> GitAuth:
    for key in ("identity", "known_hosts"):
        if not texts.get(key, "").strip():
            raise AuthInvalid(f"invalid 'ssh' auth option: '{key}' is required")
    return GitAuth(identity=texts["identity"], known_hosts=texts["known_hosts"], passphrase=texts.get("password", ""))


def _http(texts: Mapping[str, str], url: str) -> GitAuth:
    parts = urlsplit(url)
    if texts.get("password") and "username" not in texts and not parts.username:
        raise AuthInvalid(f"invalid '{parts.scheme}' auth option: 'password' requires 'username' to be set")
    cert = texts.get("tls.crt") or texts.get("certFile", "")
    key = texts.get("tls.key") or texts.get("keyFile", "")
    if bool(cert) != bool(key):
        raise AuthInvalid(f"invalid '{parts.scheme}' auth option: 'tls.crt' and 'tls.key' are required together")
    return GitAuth(
        username=texts.get("username", ""),
        password=texts.get("password", ""),
        bearer_token=texts.get("bearerToken", "").strip(),
        ca=texts.get("ca.crt") or texts.get("caFile", ""),
        cert=cert,
        key=key,
    )


def _http_environment(url: str, auth: GitAuth, stack: contextlib.ExitStack) -> dict[str, str]:
    origin = origin_of(url)
    config = {"http.followRedirects": "false" if auth.bearer_token else "initial"}
    env = {"GIT_ALLOW_PROTOCOL": "http:https"}
    if auth.bearer_token:
        config[f"http.{origin}.extraHeader"] = f"Authorization: Bearer {auth.bearer_token}"
    elif auth.username or auth.password:
        config[f"credential.{origin}.helper"] = _HELPER
        env |= {_USERNAME: auth.username, _PASSWORD: auth.password}
    if auth.proxy:
        # The name is resolved behind the proxy: it may exist only there.
        config["http.proxy"] = re.sub(r"^socks5://", "socks5h://", auth.proxy)
    if auth.ca:
        env["GIT_SSL_CAINFO"] = _in_memory(auth.ca, stack)  # of the environment, where it wins over the machine's own
    for name, text in {"sslCert": auth.cert, "sslKey": auth.key}.items():
        if text:
            config[f"http.{origin}.{name}"] = _in_memory(text, stack)
    return configuration(config) | env


def _in_memory(text: str, stack: contextlib.ExitStack) -> str:
    """Return a path that processes of our user can open while the stack is open; nothing is written to a disk."""
    descriptor = os.memfd_create("hub-git", os.MFD_CLOEXEC)
    stack.callback(os.close, descriptor)
    os.write(descriptor, text.encode())
    return f"/proc/{os.getpid()}/fd/{descriptor}"
