"""``hubctl create secret``: Secrets with credentials, under the keys that sources read."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from hub.cli.command import ExampleCommand
from hub.cli.lazy import SuggestingGroup
from hub.cli.scope import Scope, connect, scope_options

if TYPE_CHECKING:
    from collections.abc import Callable

_OPAQUE = "Opaque"


@click.group(cls=SuggestingGroup)
def secret() -> None:
    """Create Secrets with credentials, or print them."""


def _common(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option("--export", "shown", is_flag=True, help="Print the Secret instead, readable.")(command)
    return click.argument("name")(scope_options()(command))


def _file(name: str, text: str) -> Callable[..., Any]:
    return click.option(f"--{name}", metavar="FILE", default=None, help=text)


_USER = click.option("--username", "-u", default=None, help="User name.")
_PASSWORD = click.option("--password", "-p", default=None, help="Password or token; '-' reads it from stdin.")
_CA = _file("ca-crt-file", "CA certificates of the server, PEM.")
_CERT = _file("tls-crt-file", "Client certificate, PEM.")
_KEY = _file("tls-key-file", "Its key, PEM.")


@secret.command(
    cls=ExampleCommand,
    examples=(
        ("create secret git charts-auth --username git --password -", "For https; the token comes from stdin."),
        ("create secret git charts-auth --private-key-file id_ed25519 --known-hosts-file known_hosts", "For ssh."),
    ),
)
@_common
@_USER
@_PASSWORD
@click.option("--bearer-token", default=None, help="Instead of user and password; '-' reads it from stdin.")
@_file("private-key-file", "Private key for ssh.")
@_file("known-hosts-file", "Lines of known_hosts for the server, e.g. from ssh-keyscan.")
@_CA
def git(name: str, scope: Scope, *, shown: bool, **given: str | None) -> None:
    """Create a Secret for a GitRepository."""
    data = _texts(given, username="username", password="password", bearer_token="bearerToken")  # noqa: S106  # keys
    data |= _files(given, private_key_file="identity", known_hosts_file="known_hosts", ca_crt_file="ca.crt")
    if ("identity" in data) != ("known_hosts" in data):
        raise click.UsageError("ssh needs both --private-key-file and --known-hosts-file")
    _require(data, "--username and --password, --bearer-token, or --private-key-file")
    _make(scope, name, _OPAQUE, data, shown=shown)


@secret.command(
    cls=ExampleCommand,
    examples=(
        (
            "create secret githubapp charts-app --app-id 1 --app-installation-owner org --app-private-key app.pem",
            "For one.",
        ),
    ),
)
@_common
@click.option("--app-id", required=True, help="Number of the GitHub App.")
@click.option("--app-installation-owner", default=None, help="Organization or user for whom it is installed.")
@click.option("--app-installation-id", default=None, help="Number of that installation, instead.")
@click.option("--app-private-key", metavar="FILE", required=True, help="Its private key, PEM.")
@click.option("--app-base-url", default=None, help="API of a GitHub Enterprise server.")
def githubapp(name: str, scope: Scope, *, shown: bool, **given: str | None) -> None:
    """Create a Secret with a GitHub App, for a GitRepository with the provider github."""
    keys = {
        "app_id": "githubAppID",
        "app_installation_owner": "githubAppInstallationOwner",
        "app_installation_id": "githubAppInstallationID",
        "app_base_url": "githubAppBaseURL",
    }
    data = _texts(given, **keys) | _files(given, app_private_key="githubAppPrivateKey")
    if len({"githubAppInstallationOwner", "githubAppInstallationID"} & set(data)) != 1:
        raise click.UsageError("say one of --app-installation-owner and --app-installation-id")
    _make(scope, name, _OPAQUE, data, shown=shown)


@secret.command(
    cls=ExampleCommand, examples=(("create secret helm repo-auth --username me --password -", "Basic authentication."),)
)
@_common
@_USER
@_PASSWORD
@_CA
@_CERT
@_KEY
def helm(name: str, scope: Scope, *, shown: bool, **given: str | None) -> None:
    """Create a Secret for a HelmRepository."""
    data = _texts(given, username="username", password="password") | _tls(given)  # noqa: S106  # keys
    _require(data, "--username and --password, or --tls-crt-file and --tls-key-file")
    _make(scope, name, _OPAQUE, data, shown=shown)


@secret.command(
    cls=ExampleCommand,
    examples=(("create secret oci registry --url ghcr.io --username me --password -", "For a registry."),),
)
@_common
@click.option("--url", required=True, help="Host of the registry.")
@click.option("--username", "-u", required=True, help="User name.")
@click.option("--password", "-p", required=True, help="Password or token; '-' reads it from stdin.")
def oci(name: str, scope: Scope, *, shown: bool, url: str, username: str, password: str) -> None:
    """Create a Secret for an OCIRepository, which is an image pull Secret too."""
    host = urlsplit(url if "://" in url else f"//{url}").netloc
    word = _typed(password)
    auth = base64.b64encode(f"{username}:{word}".encode()).decode()
    login = {"auths": {host: {"username": username, "password": word, "auth": auth}}}
    data = {".dockerconfigjson": json.dumps(login)}
    _make(scope, name, "kubernetes.io/dockerconfigjson", data, shown=shown)


@secret.command(
    cls=ExampleCommand,
    examples=(("create secret tls certs --tls-crt-file c.pem --tls-key-file k.pem", "A client certificate."),),
)
@_common
@_CA
@_CERT
@_KEY
def tls(name: str, scope: Scope, *, shown: bool, **given: str | None) -> None:
    """Create a Secret with certificates, for certSecretRef."""
    data = _tls(given)
    _require(data, "--ca-crt-file, or --tls-crt-file and --tls-key-file")
    _make(scope, name, "kubernetes.io/tls" if "tls.crt" in data else _OPAQUE, data, shown=shown)


@secret.command(
    cls=ExampleCommand, examples=(("create secret proxy out --address http://proxy:3128", "Without credentials."),)
)
@_common
@click.option("--address", required=True, help="URL of the proxy.")
@_USER
@_PASSWORD
def proxy(name: str, scope: Scope, *, shown: bool, address: str, **given: str | None) -> None:
    """Create a Secret with the address of a proxy, for proxySecretRef."""
    data = {"address": address, **_texts(given, username="username", password="password")}  # noqa: S106  # keys
    _make(scope, name, _OPAQUE, data, shown=shown)


def _texts(given: dict[str, str | None], **keys: str) -> dict[str, str]:
    return {key: _typed(value) for option, key in keys.items() if (value := given.get(option)) is not None}


def _typed(value: str) -> str:
    """Return what was typed, or what comes over stdin for ``-``."""
    return sys.stdin.readline().rstrip("\n") if value == "-" else value


def _files(given: dict[str, str | None], **keys: str) -> dict[str, str]:
    from hub.cli.failures import BadInput

    found = {}
    for option, key in keys.items():
        path = given.get(option)
        if path is None:
            continue
        try:
            found[key] = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise BadInput(f"cannot read {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise BadInput(f"{path} is not text; PEM is expected") from error
    return found


def _tls(given: dict[str, str | None]) -> dict[str, str]:
    data = _files(given, ca_crt_file="ca.crt", tls_crt_file="tls.crt", tls_key_file="tls.key")
    if ("tls.crt" in data) != ("tls.key" in data):
        raise click.UsageError("--tls-crt-file and --tls-key-file are needed together")
    return data


def _require(data: dict[str, str], what: str) -> None:
    if not data:
        raise click.UsageError(f"no credentials given; say {what}")
    if ("username" in data) != ("password" in data):
        raise click.UsageError("--username and --password are needed together")


def _make(scope: Scope, name: str, type_: str, data: dict[str, str], *, shown: bool) -> None:
    asyncio.run(_write(scope, {"name": name}, type_, data, shown=shown))


async def _write(scope: Scope, meta: dict[str, str], type_: str, data: dict[str, str], *, shown: bool) -> None:
    from hub.api.meta import SECRETS
    from hub.cli.create import home_of, write
    from hub.cli.document import text
    from hub.cli.output import write_lines
    from hub.cli.say import Say

    body = {"apiVersion": "v1", "kind": "Secret", "metadata": dict(meta), "type": type_, "stringData": data}
    if shown:
        body["metadata"] = {**meta, "namespace": home_of(scope)}
        write_lines(["---", text("yaml", body)])
        return
    async with connect(scope) as cluster:
        body["metadata"] = {**meta, "namespace": cluster.namespace or ""}
        await write(cluster, SECRETS, body, Say())
