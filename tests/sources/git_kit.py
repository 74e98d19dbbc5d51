"""Real servers for tests of git: smart HTTP over TLS, ssh, and certificates and keys for both."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import shlex
import ssl
from typing import TYPE_CHECKING

import asyncssh
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hub.dev.gitserver import GitServer

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

    def issue(self, name="127.0.0.1", *, days=30):
        """Return certificate and key as PEM; negative days make one that has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        cert = self._sign(x509.Name([x509.NameAttribute(_NAME, name)]), key, days=days)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return cert.public_bytes(serialization.Encoding.PEM).decode(), pem.decode()

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
