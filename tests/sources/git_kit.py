"""Real servers for tests of git: smart HTTP over TLS, ssh, and certificates and keys for both."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime as dt
import ipaddress
import shlex
import ssl
from typing import TYPE_CHECKING

import asyncssh
import pysequoia
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hub.dev.gitserver import GitServer, run_git

if TYPE_CHECKING:
    from pathlib import Path

_NAME = x509.oid.NameOID.COMMON_NAME


class Authority:
    """A certificate authority that lives as long as the test."""

    def __init__(self, name="Test CA"):
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(_NAME, name)])
        self._cert = self._sign(self._name, self._key, days=30, ca=True)
        self.pem = self._cert.public_bytes(serialization.Encoding.PEM).decode()

    def as_server(self):
        """Return the authority's own certificate and key, for a server whose certificate is signed by itself."""
        return self.pem, _pem(self._key)

    def issue(self, name="127.0.0.1", *, days=30):
        """Return certificate and key as PEM; negative days make one that has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        cert = self._sign(x509.Name([x509.NameAttribute(_NAME, name)]), key, days=days)
        return cert.public_bytes(serialization.Encoding.PEM).decode(), _pem(key)

    def _sign(self, subject, key, *, days, ca=False):
        now = dt.datetime.now(dt.UTC)
        end = now + dt.timedelta(days=days)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now, end) - dt.timedelta(days=1))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        name = subject.get_attributes_for_oid(_NAME)[0].value
        if not ca:
            with contextlib.suppress(ValueError):
                names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(name))])
                builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _pem(key):
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


class TlsGitServer(GitServer):
    """
    A git server over https.

    Args:
        cert: PEM certificate and key of the server.
        clients: PEM of the authority that clients need a certificate of.
    """

    def __init__(self, root: Path, cert, *, clients=None, **more):
        super().__init__(root, **more)
        self._cert = cert
        self._clients = clients

    async def start(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        files = self.root.parent / f"{self.root.name}-tls"
        files.mkdir(parents=True, exist_ok=True)
        for name, text in zip(("cert", "key"), self._cert, strict=True):
            (files / name).write_text(text)
        context.load_cert_chain(files / "cert", files / "key")
        if self._clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=self._clients)
        self.root.mkdir(parents=True, exist_ok=True)
        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/{name}/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port, ssl_context=context).start()
        self._port = self._runner.addresses[0][1]

    @property
    def address(self):
        return super().address.replace("http:", "https:")


class SshGitServer:
    """
    Serves the bare repositories of a folder over ssh, to fetch and to push.

    Attributes:
        requests: Every command that was asked for.
        logins: Users that came in.
    """

    def __init__(self, root: Path, authorized, user="git"):
        self.root = root
        self.user = user
        self.requests = []
        self.logins = []
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self._authorized = authorized

    async def __aenter__(self):
        server = self

        class Login(asyncssh.SSHServer):
            def begin_auth(self, username):
                return True

            def public_key_auth_supported(self):
                return True

            def validate_public_key(self, username, key):
                ok = username == server.user and key.public_data == server._authorized.public_data
                if ok:
                    server.logins.append(username)
                return ok

        self._server = await asyncssh.listen(
            "127.0.0.1", 0, server_factory=Login, server_host_keys=[self.host_key], process_factory=self._serve,
            encoding=None, config=None,
        )  # fmt: skip
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        await self._server.wait_closed()

    def url(self, name):
        return f"ssh://{self.user}@127.0.0.1:{self.port}/{name}.git"

    @property
    def known_hosts(self):
        return f"[127.0.0.1]:{self.port} {self.host_key.export_public_key().decode()}"

    async def _serve(self, process):
        self.requests.append(process.command)
        verb, path = shlex.split(process.command)
        repository = self.root / path.lstrip("/")
        if verb not in {"git-upload-pack", "git-receive-pack"} or not repository.is_dir():
            process.stderr.write(b"ERROR: Repository not found.\n")
            process.exit(1)
            return
        env = {"PATH": "/usr/bin:/bin", "GIT_PROTOCOL": process.env.get("GIT_PROTOCOL", "")}
        git = await asyncio.create_subprocess_exec(
            *verb.split("-", 1), str(repository), env=env,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        upward = asyncio.create_task(_copy(process.stdin, git.stdin))
        await _copy(git.stdout, process.stdout)
        upward.cancel()
        process.exit(await git.wait())


async def _copy(source, target):
    while data := await source.read(1 << 16):
        target.write(data)
        await target.drain()
    target.write_eof()


def ssh_key(passphrase=None, form="openssh"):
    """Return a new key, and its text as a Secret holds it."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    return key, key.export_private_key(form, passphrase).decode()


class PgpKey:
    """An OpenPGP key that signs; ``public`` is what a Secret holds."""

    def __init__(self, name="dev@example.com"):
        self._key = pysequoia.Tsk.generate(name)
        self.public = str(self._key.extract_certificate()).encode()

    def sign(self, payload):
        return pysequoia.sign(self._key.signer(), payload, mode=pysequoia.SignatureMode.DETACHED)


class SshSigner:
    """An ssh key that signs; ``public`` is what a Secret holds."""

    def __init__(self, namespace="git"):
        self._key = asyncssh.generate_private_key("ssh-ed25519")
        self._namespace = namespace
        self.public = self._key.export_public_key()

    def sign(self, payload):
        return asyncssh.create_sshsig(self._key, payload, namespace=self._namespace)


async def sign_head(bare: Path, key, branch="master") -> str:
    """Replace the newest commit of a branch by the same one, signed; return its hash."""
    raw = (await run_git("cat-file", "commit", branch, cwd=bare)).encode()
    header, _, message = raw.partition(b"\n\n")
    signature = b"\n ".join(key.sign(raw).strip().split(b"\n"))
    commit = await _write(bare, "commit", header + b"\ngpgsig " + signature + b"\n\n" + message)
    await run_git("update-ref", f"refs/heads/{branch}", commit, cwd=bare)
    return commit


async def sign_tag(bare: Path, key, tag: str, commit: str, *, named: str = "") -> str:
    """Make an annotated tag, signed unless ``key`` is None; return the hash of the tag object."""
    head = f"object {commit}\ntype commit\ntag {named or tag}\ntagger Example <example@hubctl.io> 1700000000 +0000"
    payload = f"{head}\n\nRelease\n".encode()
    made = await _write(bare, "tag", payload + (key.sign(payload).strip() + b"\n" if key else b""))
    await run_git("update-ref", f"refs/tags/{tag}", made, cwd=bare)
    return made


async def _write(bare: Path, kind: str, data: bytes) -> str:
    file = bare / "object-to-be"
    file.write_bytes(data)
    made = await run_git("hash-object", "-t", kind, "-w", str(file), cwd=bare)
    file.unlink()
    return made.strip()


class ConnectProxy:
    """
    An HTTP proxy that opens tunnels for those who log in.

    Attributes:
        asked: The hosts and ports that somebody wanted to get to.
    """

    def __init__(self, username="", password=""):
        self.asked = []
        self._wanted = base64.b64encode(f"{username}:{password}".encode()).decode() if username else ""

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def _serve(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        verb, place, _ = head.split(" ", 2)
        if verb != "CONNECT" or (self._wanted and self._wanted not in head):
            lines = (b"HTTP/1.1 407 Who are you", b"Proxy-Authenticate: Basic realm=x", b"Connection: close", b"", b"")
            writer.write(b"\r\n".join(lines))
            writer.close()
            return
        self.asked.append(place)
        host, _, port = place.rpartition(":")
        there_reader, there_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        copies = [asyncio.create_task(_copy(*pair)) for pair in ((reader, there_writer), (there_reader, writer))]
        await asyncio.wait(copies)
        await asyncio.gather(*copies, return_exceptions=True)
        there_writer.close()
        writer.close()
