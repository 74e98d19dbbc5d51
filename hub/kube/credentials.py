"""Who we are, request by request: static credentials, token files that rotate, plugins and sources of tokens."""

from __future__ import annotations

import asyncio
import base64
import math
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.errors import HubError
from hub.kube.exec_plugin import CredentialError, run_exec_plugin

if TYPE_CHECKING:
    from hub.kube.config import ClusterConfig, TokenSource

_TOKEN_FILE_AGE = 60.0  # seconds; what client-go waits before it reads a token file again
_EXPIRY_SKEW = 60.0  # seconds before its end at which a token that ends is renewed


@dataclass(frozen=True, slots=True)
class Identity:
    """What one request presents.

    Attributes:
        authorization: Value of the ``Authorization`` header; empty for none.
        certificate: Client certificate, PEM; empty for none.
        key: Its private key, PEM.
        until: When to ask again, on the ``time.time`` clock.
    """

    authorization: str = field(default="", repr=False)
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)
    until: float = math.inf


class Credentials:
    """The identity of one :class:`ClusterConfig`, renewed when it is due or was refused.

    Raises :class:`.CredentialError` when a plugin or a token file fails.
    """

    def __init__(self, config: ClusterConfig) -> None:
        self._config = config
        self._identity: Identity | None = None
        self._lock = asyncio.Lock()

    @property
    def renewable(self) -> bool:
        """Whether asking again can give anything else."""
        return bool(self._config.exec or self._config.token_file or self._config.tokens)

    def current(self) -> Identity | None:
        """The identity when it is at hand and fresh; the fast path of every request."""
        identity = self._identity
        return identity if identity is not None and time.time() < identity.until else None

    async def get(self) -> Identity:
        """Return a fresh identity; many waiting requests cost one renewal."""
        async with self._lock:
            identity = self.current()
            if identity is None:
                identity = self._identity = await self._renew()
            return identity

    def refuse(self, identity: Identity) -> bool:
        """Forget an identity that got a 401; True when another one may do better."""
        if not self.renewable:
            return False
        if self._identity is identity:
            self._identity = None
        return True

    async def _renew(self) -> Identity:
        config = self._config
        if config.exec is not None:
            return _from_plugin(await run_exec_plugin(config.exec), config)
        if config.tokens is not None:
            return await _from_source(config.tokens)
        until = math.inf
        token = config.token
        if config.token_file:
            token = _read_token(config.token_file)
            until = time.time() + _TOKEN_FILE_AGE
        return Identity(
            _authorization(token, config.username, config.password), config.client_cert, config.client_key, until
        )


def _authorization(token: str, username: str, password: str) -> str:
    if token:
        return f"Bearer {token}"
    if username:
        pair = base64.b64encode(f"{username}:{password}".encode())
        return f"Basic {pair.decode()}"
    return ""


def _read_token(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise CredentialError(f"cannot read the token file {path}: {error.strerror}") from error


async def _from_source(tokens: TokenSource) -> Identity:
    try:
        token, until = await tokens.ask()
    except HubError as error:
        raise CredentialError(error.message) from error
    return Identity(_authorization(token, "", ""), until=until - _EXPIRY_SKEW)


def _from_plugin(status: dict[str, Any], config: ClusterConfig) -> Identity:
    token = str(status.get("token") or "")
    certificate = str(status.get("clientCertificateData") or "").encode() or config.client_cert
    key = str(status.get("clientKeyData") or "").encode() or config.client_key
    return Identity(_authorization(token, "", ""), certificate, key, _expiry(status.get("expirationTimestamp")))


def _expiry(timestamp: Any) -> float:
    if not isinstance(timestamp, str):
        return math.inf
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        return math.inf
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp() - _EXPIRY_SKEW
