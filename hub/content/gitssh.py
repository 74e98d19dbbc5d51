"""
ssh for git without a program ``ssh``: the hub makes the connection, git talks to it through a small relay.

The private key stays in this process. Host keys are checked against the ``known_hosts`` of the Secret and nothing else:
no configuration, agent or key of the user or the machine is looked at. Why not the system's ``ssh``: see
docs/design/0003-git.md.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import json
import shlex
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

import asyncssh
from python_socks import ProxyError
from python_socks.async_.asyncio import Proxy

from hub.content.gitauth import AuthInvalid

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hub.content.gitauth import GitAuth

_RELAY = Path(__file__).with_name("sshrelay.py")
_SAID = 300
_CHUNK = 1 << 16
_ENDING = 5.0
"""Seconds that a closed connection may take to say goodbye."""


@contextlib.asynccontextmanager
async def open_door(auth: GitAuth) -> AsyncIterator[SshDoor]:
    """
    Let git reach ssh servers with a key, through a socket that only our user can open, until the end of the block.

    Raises:
        AuthInvalid: The key or the known hosts cannot be read.
    """
    key, hosts = await asyncio.to_thread(_keys, auth.identity, auth.passphrase, auth.known_hosts)
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="hub-ssh-"))
    door = SshDoor(auth, key, hosts, folder / "s")
    try:
        server = await asyncio.start_unix_server(door.serve, door.path)
        try:
            yield door
        finally:
            server.close()
            await door.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Readable(Protocol):
    async def read(self, n: int, /) -> bytes: ...


class _Writable(Protocol):
    def write(self, data: bytes, /) -> Any: ...

    async def drain(self) -> None: ...

    def can_write_eof(self) -> bool: ...

    def write_eof(self) -> Any: ...


class SshDoor:
    """The hub's side of the relay.

    Attributes:
        problem: Why the last connection failed; empty when it did not.
    """

    def __init__(self, auth: GitAuth, key: asyncssh.SSHKey, hosts: asyncssh.SSHKnownHosts, path: Path) -> None:
        self.path = path
        self.problem = ""
        self._auth = auth
        self._key = key
        self._hosts = hosts
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    @property
    def env(self) -> dict[str, str]:
        """What makes git use the relay. Nothing secret."""
        return {
            "GIT_SSH_COMMAND": shlex.join([sys.executable, "-I", "-S", str(_RELAY)]),
            "GIT_SSH_VARIANT": "ssh",
            "HUB_GIT_SSH": str(self.path),
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one relay."""
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        try:
            await self._connect(json.loads(await reader.readline()), reader, writer)
        except (asyncssh.Error, OSError, ProxyError, TimeoutError) as error:
            self.problem = _explain(error, self._auth)
        except asyncio.CancelledError:
            if not self._closed:
                raise
        except ValueError:
            self.problem = "git asked for something that is not a connection"
        finally:
            writer.close()
            if task is not None:
                self._tasks.discard(task)

    async def close(self) -> None:
        """End every connection."""
        self._closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connect(self, ask: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        user, _, host = ask["host"].rpartition("@")
        connection = await asyncssh.connect(
            host,
            int(ask["port"]),
            sock=await self._tunnel(host, int(ask["port"])),
            username=user or self._auth.username or "git",
            client_keys=[self._key],
            known_hosts=self._hosts,
            config=None,
            agent_path=None,
            gss_host=None,
            preferred_auth="publickey",
        )
        try:
            writer.write(b"+")
            await self._converse(connection, ask, reader, writer)
        finally:
            connection.abort()
            with contextlib.suppress(TimeoutError, asyncssh.Error, OSError):
                await asyncio.wait_for(connection.wait_closed(), _ENDING)

    async def _converse(
        self,
        connection: asyncssh.SSHClientConnection,
        ask: dict[str, Any],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        env = {"GIT_PROTOCOL": ask["protocol"]} if ask["protocol"] else {}
        process = await connection.create_process(ask["command"], env=env, encoding=None)
        upward = asyncio.create_task(_copy(reader, process.stdin))
        errors = asyncio.create_task(_first(process.stderr))
        try:
            await _copy(process.stdout, writer)
            said = await errors
            ended = await process.wait(check=False)
        finally:
            upward.cancel()
            errors.cancel()
            await asyncio.gather(upward, errors, return_exceptions=True)
        if ended.exit_status and said.strip():
            self.problem = f"the server said: {_one_line(said)}"

    async def _tunnel(self, host: str, port: int) -> socket.socket | None:
        if not self._auth.proxy:
            return None
        if self._auth.proxy.startswith("socks5:"):
            return await Proxy.from_url(self._auth.proxy).connect(dest_host=host, dest_port=port)
        return await _tunnel_by_http(self._auth.proxy, host, port)


async def _tunnel_by_http(proxy: str, host: str, port: int) -> socket.socket:
    """
    Return a connection through an HTTP proxy.

    The answer is read to its last byte and not beyond: an ssh server speaks first, and python-socks would lose that.
    """
    parts = urlsplit(proxy)
    if parts.scheme != "http":
        raise ProxyError(f"ssh goes through http:// and socks5:// proxies, not through {parts.scheme}://")
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)
    link = socket.socket(found[0][0], socket.SOCK_STREAM)
    try:
        link.settimeout(0)
        await loop.sock_connect(link, found[0][4])
        login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        lines = [f"CONNECT {host}:{port} HTTP/1.1", f"Host: {host}:{port}"]
        if parts.username:
            lines.append(f"Proxy-Authorization: Basic {base64.b64encode(login.encode()).decode()}")
        await loop.sock_sendall(link, ("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n") and len(answer) < _CHUNK and (byte := await loop.sock_recv(link, 1)):
            answer += byte
        status = answer.split(b" ", 2)[1:2]
        if status != [b"200"]:
            raise ProxyError(f"it answered {_one_line(answer.splitlines()[0] if answer else b'') or 'nothing'}")
    except BaseException:
        link.close()
        raise
    return link


async def _copy(source: _Readable, target: _Writable) -> None:
    while data := await source.read(_CHUNK):
        target.write(data)
        await target.drain()
    if target.can_write_eof():
        target.write_eof()


async def _first(source: _Readable) -> bytes:
    """Return the first bytes of a stream, and read the rest, so that its writer need not wait."""
    kept = b""
    while data := await source.read(_CHUNK):
        kept = (kept + data)[:_SAID]
    return kept


@functools.lru_cache(maxsize=64)
def _keys(identity: str, passphrase: str, known_hosts: str) -> tuple[asyncssh.SSHKey, asyncssh.SSHKnownHosts]:
    """Parse key and hosts; blocks while a passphrase is stretched."""
    if not identity:
        raise AuthInvalid("invalid 'ssh' auth option: 'identity' is required")
    try:
        key = asyncssh.import_private_key(identity, passphrase or None)
    except (asyncssh.KeyEncryptionError, asyncssh.KeyImportError, ValueError) as error:
        raise AuthInvalid(f"invalid 'ssh' auth option: {_unreadable(passphrase, error)}") from error
    try:
        return key, asyncssh.import_known_hosts(known_hosts)
    except (ValueError, asyncssh.KeyImportError) as error:
        raise AuthInvalid("invalid 'ssh' auth option: 'known_hosts' cannot be read") from error


def _unreadable(passphrase: str, error: Exception) -> str:
    if passphrase:
        return "'identity' is not a private key that 'password' opens"
    if "passphrase" in str(error).lower():
        return "'identity' is encrypted, and there is no 'password' to open it"
    return "'identity' is not a private key that can be read"


def _explain(error: Exception, auth: GitAuth) -> str:
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return (
            "the host key of the server is not one of 'known_hosts' in the Secret: "
            "add the right one (ssh-keyscan prints it), or find out who answers there"
        )
    if isinstance(error, asyncssh.PermissionDenied):
        return (
            f"authentication required: the server refused the key 'identity' of the Secret for user '{auth.username}'"
        )
    if isinstance(error, asyncssh.KeyExchangeFailed):
        return f"the server and 'known_hosts' of the Secret have no kind of key in common ({_one_line(error.reason)})"
    if isinstance(error, socket.gaierror):
        return "the host name cannot be resolved: check spec.url and DNS"
    if isinstance(error, ConnectionRefusedError):
        return "the server does not accept connections"
    if isinstance(error, ProxyError):
        return f"the proxy refused: {_one_line(str(error))}"
    return f"the ssh connection failed: {_one_line(str(error)) or type(error).__name__}"


def _one_line(text: str | bytes) -> str:
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_SAID]
