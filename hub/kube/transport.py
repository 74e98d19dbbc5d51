"""
One HTTP exchange with an API server, and what is done when it does not work out: renew the identity after a 401, send
again where that is known to be safe, turn everything else into :class:`hub.errors.ApiError` or :class:`Unreachable`.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlencode
from urllib.request import getproxies, proxy_bypass

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from hub.errors import ApiError, api_error
from hub.kube.credentials import Credentials, Identity
from hub.kube.exec_plugin import CredentialError
from hub.kube.unreachable import Cause, Unreachable, explain

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping

    from hub.kube.config import ClusterConfig

    OpenPool = Callable[[ClusterConfig, Identity], aiohttp.ClientSession]
    Body = bytes | AsyncIterable[bytes] | None

JSON = "application/json"

_RETRIES = 5  # of a request that the server asked us to send again later
_ADD_NOTHING = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Transport:
    """
    Exchanges with one server as one user.

    Args:
        config: Where, and who we are there.
        headers: Sent with every request.
        open_pool: Makes the connection pool of an identity.
        timeout: Seconds for one request, retries included.
        connect_timeout: Seconds for TCP and TLS together.
    """

    def __init__(
        self,
        config: ClusterConfig,
        headers: Mapping[str, str],
        open_pool: OpenPool,
        *,
        timeout: float,
        connect_timeout: float,
    ) -> None:
        self.address = config.address
        self._config = config
        self._headers = headers
        self._open_pool = open_pool
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._credentials = Credentials(config)
        self._per_request: dict[str, Any] = {"allow_redirects": False, "proxy": _proxy(config)}
        if config.tls_server_name:
            self._per_request["server_hostname"] = config.tls_server_name
        self._pools: dict[bytes, aiohttp.ClientSession] = {}
        self._closed = False

    async def call(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        """:meth:`send`, and read the object in the answer."""
        answer = _parse(await self.send(method, path, **more))
        if answer is None:
            raise api_error(200, "NotKubernetes", f"{self.address} answered something that is not a Kubernetes object")
        return answer

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | None] | None = None,
        body: Any = None,
        accept: str = JSON,
        content_type: str = JSON,
        timeout: float | None = None,
    ) -> bytes:
        """Return the body of a 2xx answer. A lost connection is tried anew once, a busy server later."""
        url, seconds = self.url(path, query), timeout or self._timeout
        headers, data = {"Accept": accept}, None
        if body is not None:
            data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
            headers["Content-Type"] = content_type
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        attempt = 0
        while True:
            attempt += 1
            try:
                async with self.open(method, url, headers, data, total=max(0.001, deadline - loop.time())) as response:
                    content = await self._read(response, seconds)
            except Unreachable as lost:
                if lost.cause is not Cause.RESET or method == "POST" or attempt > 1:
                    raise
                continue  # a kept connection that the server had just given up; only POST might happen twice
            if response.status < HTTPStatus.MULTIPLE_CHOICES:
                return content
            pause = _pause(response)
            if pause is None or attempt > _RETRIES or loop.time() + pause >= deadline:
                self.refuse(response.status, content, path)
            await asyncio.sleep(pause)

    @asynccontextmanager
    async def open(
        self, method: str, url: URL, headers: Mapping[str, str], data: Body = None, **more: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """:meth:`request`, and free the connection at the end of the block."""
        response = await self.request(method, url, headers, data, **more)
        try:
            yield response
        finally:
            response.release()  # closes the connection when the body was not read to its end

    async def request(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        data: Body = None,
        *,
        total: float | None = None,
        silence: float | None = None,
        transparent: bool = False,
    ) -> aiohttp.ClientResponse:
        """
        Return the answer to one request, whatever its status; the caller has to release it.

        A 401 gets a renewed identity once, where there is one.

        Args:
            method: HTTP method.
            url: See :meth:`url`.
            headers: Sent besides our own.
            data: Body.
            total: Seconds for the whole exchange; None leaves it open once connected.
            silence: Seconds without a byte after which the connection counts as dead.
            transparent: Add no headers of the HTTP library and unpack nothing.
        """
        connect = self._connect_timeout if total is None else min(self._connect_timeout, total)
        timeout = aiohttp.ClientTimeout(total=total, sock_connect=connect, sock_read=silence)
        more: dict[str, Any] = {**self._per_request, "timeout": timeout, "data": data}
        if transparent:
            more |= {"auto_decompress": False, "skip_auto_headers": _ADD_NOTHING}
        can_repeat = data is None or isinstance(data, bytes)
        while True:
            identity = await self._identity()
            sent: CIMultiDict[str] = CIMultiDict(self._headers)
            sent.update(headers)
            if identity.authorization:
                sent["Authorization"] = identity.authorization
            response = await self._exchange(method, url, identity, {**more, "headers": sent})
            refused = response.status == HTTPStatus.UNAUTHORIZED and self._credentials.refuse(identity)
            if not (refused and can_repeat):
                return response
            can_repeat = False
            response.release()

    def url(self, path: str, query: Mapping[str, str | None] | None = None) -> URL:
        """Return the address of a path; entries of the query without a value are left out."""
        given = {k: v for k, v in query.items() if v} if query else None
        tail = f"?{urlencode(given)}" if given else ""
        return URL(f"{self._config.server}{path}{tail}", encoded=True)

    def refuse(self, status: int, content: bytes, path: str) -> NoReturn:
        """Raise what a non-2xx answer stands for, in the server's own words where it sent a Status object."""
        raise self._refusal(status, content, path)

    async def aclose(self) -> None:
        """Close every connection."""
        self._closed = True
        while self._pools:
            _, pool = self._pools.popitem()
            await pool.close()

    async def _exchange(
        self, method: str, url: URL, identity: Identity, more: dict[str, Any]
    ) -> aiohttp.ClientResponse:
        try:
            return await self._pool(identity).request(method, url, **more)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise explain(error, self.address, more["timeout"].total) from error

    async def _read(self, response: aiohttp.ClientResponse, seconds: float) -> bytes:
        try:
            return await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise explain(error, self.address, seconds) from error

    async def _identity(self) -> Identity:
        identity = self._credentials.current()
        if identity is not None:
            return identity
        try:
            return await self._credentials.get()
        except CredentialError as error:
            raise Unreachable(self.address, Cause.CREDENTIALS, str(error)) from error

    def _pool(self, identity: Identity) -> aiohttp.ClientSession:
        """The connections of one client certificate; a plugin may hand out another one tomorrow."""
        pool = self._pools.get(identity.certificate)
        if pool is None:
            if self._closed:
                raise RuntimeError(f"the client of {self.address} is closed")
            pool = self._pools[identity.certificate] = self._open_pool(self._config, identity)
        return pool

    def _refusal(self, status: int, content: bytes, path: str) -> ApiError:
        body = _parse(content)
        if body is None or body.get("kind") != "Status":
            return api_error(status, "", f"{self.address} answered {status} to {path.partition('?')[0]}")
        message = str(body.get("message") or body.get("reason") or status)
        if status == HTTPStatus.UNAUTHORIZED:
            message = f"{self.address} does not accept our credentials ({message})"
        return api_error(status, str(body.get("reason") or ""), message, body)


def _parse(content: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(content)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _pause(response: aiohttp.ClientResponse) -> float | None:
    """Seconds after which the server wants the request again; None when it does not."""
    if response.status != HTTPStatus.TOO_MANY_REQUESTS and response.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return None
    try:
        return max(0.05, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None


def _proxy(config: ClusterConfig) -> str | None:
    """The proxy of the kubeconfig, else that of the environment, as kubectl chooses."""
    if config.proxy_url:
        return config.proxy_url
    host = config.hostname
    if host in _LOOPBACK or proxy_bypass(host):
        return None
    return getproxies().get(config.server.partition(":")[0])
