"""
Which cluster, and who we are there: :class:`ClusterConfig`, read from a kubeconfig.

A kubeconfig in a Secret is somebody else's input: only inline data is taken from it (Flux's rule), and whatever would
make this process read a file, run a program or trust anybody is refused by name. A kubeconfig that a person points at
may do all of that.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

from hub.kube.exec_plugin import ExecPlugin
from hub.kube.tls import check_authorities, check_client_pair

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

EXEC_FLAG = "--insecure-kubeconfig-exec"
TLS_FLAG = "--insecure-kubeconfig-tls"

_IN_CLUSTER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_MASKED = frozenset({"ca", "client_cert", "client_key", "token", "password", "proxy_url"})
_SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster where libyaml is built in


class BadKubeconfig(ValueError):
    """The kubeconfig cannot be used; the message names the field and never a value that may be secret."""


@dataclass(frozen=True, slots=True)
class TokenSource:
    """
    Gives bearer tokens that end.

    Attributes:
        identity: Whose tokens; two of the same identity are the same.
        ask: Returns a token, and when it ends on the ``time.time`` clock. Raises ``HubError``.
    """

    identity: str
    ask: Callable[[], Awaitable[tuple[str, float]]] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, repr=False)
class ClusterConfig:
    """
    Everything needed to open a connection to one API server. ``ca``, ``client_cert`` and ``client_key`` are PEM.

    An empty value means "not given": no ``ca`` stands for the system's authorities.
    """

    server: str
    ca: bytes = b""
    client_cert: bytes = b""
    client_key: bytes = b""
    token: str = ""
    token_file: str = ""
    username: str = ""
    password: str = ""
    exec: ExecPlugin | None = None
    tokens: TokenSource | None = None
    tls_server_name: str = ""
    proxy_url: str = ""
    insecure_skip_tls_verify: bool = False
    namespace: str = ""

    @property
    def address(self) -> str:
        """``host:port`` of the server, as messages name it."""
        url = urlsplit(self.server)
        return f"{url.hostname}:{url.port or (443 if url.scheme == 'https' else 80)}"

    @property
    def hostname(self) -> str:
        """Host of the server without the port."""
        return urlsplit(self.server).hostname or ""

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` over the content: two equal configs share one client."""
        values = dataclasses.asdict(dataclasses.replace(self, tokens=None))
        del values["tokens"]
        if self.tokens is not None:
            values["tokens"] = self.tokens.identity
        text = json.dumps(values, sort_keys=True, default=bytes.hex)
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"

    def __repr__(self) -> str:
        shown = []
        for one in dataclasses.fields(self):
            value = getattr(self, one.name)
            if value != one.default:
                shown.append(f"{one.name}={'***' if one.name in _MASKED else repr(value)}")
        return f"ClusterConfig({', '.join(shown)})"


def parse_kubeconfig(data: str | bytes, *, allow_exec: bool = False, allow_insecure_tls: bool = False) -> ClusterConfig:
    """
    Read a kubeconfig that came in a Secret; its current context counts.

    Raises:
        BadKubeconfig: It is malformed, or it asks for something that only a flag may allow.
    """
    policy = _Policy(allow_files=False, allow_exec=allow_exec, allow_insecure_tls=allow_insecure_tls)
    return _Reader(_document(data, "kubeconfig"), policy).read(None)


def cluster_config(server: str, ca: bytes, tokens: TokenSource, *, allow_insecure_tls: bool = False) -> ClusterConfig:
    """
    Return the configuration for a cluster that is named without a kubeconfig, by the same rules.

    Raises:
        BadKubeconfig: The address or the authorities cannot be used.
    """
    policy = _Policy(allow_files=False, allow_exec=False, allow_insecure_tls=allow_insecure_tls)
    cluster: dict[str, Any] = {"server": server}
    if ca:
        cluster["certificate-authority-data"] = base64.b64encode(ca).decode()
    return ClusterConfig(**_Reader({}, policy).cluster(cluster), tokens=tokens)


def load_kubeconfig(path: str | os.PathLike[str] | None = None, context: str | None = None) -> ClusterConfig:
    """
    Find the kubeconfig of a person (or of this Pod) as kubectl does.

    In order: ``path``, the files of ``KUBECONFIG``, ``~/.kube/config``, the Pod's service account.

    Raises:
        BadKubeconfig: Nothing was found, or what was found cannot be used.
    """
    files = _candidates(path)
    if files:
        merged = _merge([_resolve_paths(_document(_read(file), str(file)), file.parent) for file in files])
        return _Reader(merged, _Policy(allow_files=True, allow_exec=True, allow_insecure_tls=True)).read(context)
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return _in_cluster()
    raise BadKubeconfig("no kubeconfig found: pass --kubeconfig, set KUBECONFIG, or write ~/.kube/config")


@dataclass(frozen=True, slots=True)
class _Policy:
    allow_files: bool
    allow_exec: bool
    allow_insecure_tls: bool


class _Reader:
    """Walks one kubeconfig document; every complaint names the field it stands in."""

    def __init__(self, document: dict[str, Any], policy: _Policy) -> None:
        self._document = document
        self._policy = policy

    def read(self, context_name: str | None) -> ClusterConfig:
        name = context_name or self._document.get("current-context")
        if not name:
            raise BadKubeconfig("kubeconfig has no current-context")
        context = self._named("contexts", "context", name)
        if not context.get("cluster"):
            raise BadKubeconfig(f"kubeconfig: context {name!r} names no cluster")
        cluster = self._named("clusters", "cluster", context["cluster"])
        user = self._named("users", "user", context["user"]) if context.get("user") else {}
        values = {**self.cluster(cluster), **self._user(user), "namespace": str(context.get("namespace") or "")}
        return ClusterConfig(**values)

    def _named(self, section: str, inner: str, name: Any) -> dict[str, Any]:
        entries = self._document.get(section)
        if entries is not None and not isinstance(entries, list):
            raise BadKubeconfig(f"kubeconfig: {section} is not a list")
        for entry in entries or []:
            if isinstance(entry, dict) and entry.get("name") == name:
                body = entry.get(inner)
                if body is None:
                    return {}
                if not isinstance(body, dict):
                    raise BadKubeconfig(f"kubeconfig: {inner} {name!r} is not a mapping")
                return body
        raise BadKubeconfig(f"kubeconfig: there is no {inner} {name!r} in {section}")

    def cluster(self, cluster: dict[str, Any]) -> dict[str, Any]:
        """Return what of a configuration a kubeconfig says of its cluster. Raises :class:`BadKubeconfig`."""
        insecure = cluster.get("insecure-skip-tls-verify") is True
        if insecure and not self._policy.allow_insecure_tls:
            raise BadKubeconfig(f"kubeconfig: insecure-skip-tls-verify is refused unless the hub runs with {TLS_FLAG}")
        authorities = self._pem(cluster, "certificate-authority")
        if authorities and not insecure:
            try:
                check_authorities(authorities)
            except ValueError as error:
                raise BadKubeconfig(f"kubeconfig: certificate-authority-data {error}") from error
        return {
            "server": self._server(cluster),
            "ca": authorities,
            "tls_server_name": _text(cluster, "tls-server-name"),
            "proxy_url": _proxy(_text(cluster, "proxy-url")),
            "insecure_skip_tls_verify": insecure,
        }

    def _server(self, cluster: dict[str, Any]) -> str:
        server = _text(cluster, "server").rstrip("/")
        if not server:
            raise BadKubeconfig("kubeconfig: the cluster has no server")
        url = _split(server, "server")
        if url.scheme not in ("http", "https") or not url.hostname or url.username or url.query or url.fragment:
            raise BadKubeconfig("kubeconfig: server is not a URL of the form https://host:port")
        if url.scheme == "http" and not self._policy.allow_insecure_tls:
            raise BadKubeconfig(f"kubeconfig: a server over plain http is refused unless the hub runs with {TLS_FLAG}")
        return server

    def _user(self, user: dict[str, Any]) -> dict[str, Any]:
        for refused in ("as", "as-uid", "as-groups", "as-user-extra"):
            if user.get(refused):
                raise BadKubeconfig(f"kubeconfig: {refused} (impersonation) is not supported")
        if user.get("auth-provider"):
            raise BadKubeconfig("kubeconfig: auth-provider is not supported; use a token, a client certificate or exec")
        certificate, key = self._pem(user, "client-certificate"), self._pem(user, "client-key")
        if bool(certificate) != bool(key):
            raise BadKubeconfig("kubeconfig: client-certificate-data and client-key-data are needed together")
        if certificate:
            try:
                check_client_pair(certificate, key)
            except ValueError as error:
                raise BadKubeconfig(f"kubeconfig: {error}") from error
        token = _header_safe(_text(user, "token").strip(), "token")
        return {
            "client_cert": certificate,
            "client_key": key,
            "token": token,
            "token_file": "" if token else self._token_file(user),
            "username": _header_safe(_text(user, "username"), "username"),
            "password": _header_safe(_text(user, "password"), "password"),
            "exec": self._exec(user),
        }

    def _token_file(self, user: dict[str, Any]) -> str:
        path = _text(user, "tokenFile")
        if path and not self._policy.allow_files:
            raise BadKubeconfig("kubeconfig: tokenFile is a path, which is refused; put the token itself into token")
        return path

    def _exec(self, user: dict[str, Any]) -> ExecPlugin | None:
        node = user.get("exec")
        if not node:
            return None
        if not self._policy.allow_exec:
            raise BadKubeconfig(f"kubeconfig: exec plugins are refused unless the hub runs with {EXEC_FLAG}")
        if not isinstance(node, dict) or not node.get("command") or not node.get("apiVersion"):
            raise BadKubeconfig("kubeconfig: exec needs command and apiVersion")
        pairs = [(str(one.get("name")), str(one.get("value"))) for one in node.get("env") or []]
        args = tuple(str(one) for one in node.get("args") or [])
        return ExecPlugin(str(node["command"]), str(node["apiVersion"]), args, tuple(pairs))

    def _pem(self, node: dict[str, Any], name: str) -> bytes:
        """``<name>-data`` decoded, or the file ``<name>`` points at; the data wins as in kubectl."""
        data, path = _text(node, f"{name}-data"), _text(node, name)
        if data:
            try:
                return base64.b64decode("".join(data.split()), validate=True)
            except (binascii.Error, ValueError):
                raise BadKubeconfig(f"kubeconfig: {name}-data is not base64") from None
        if path and not self._policy.allow_files:
            raise BadKubeconfig(f"kubeconfig: {name} is a path, which is refused; put the content into {name}-data")
        return _read(Path(path)) if path else b""


def _document(data: str | bytes, origin: str) -> dict[str, Any]:
    try:
        document = yaml.load(data, Loader=_SafeLoader)  # noqa: S506  # it is the safe loader, in C where there is one
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise BadKubeconfig(f"{origin} is not YAML{where}") from None  # the cause would quote the text
    if not isinstance(document, dict):
        raise BadKubeconfig(f"{origin} is not a mapping")
    return document


def _text(node: dict[str, Any], name: str) -> str:
    value = node.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadKubeconfig(f"kubeconfig: {name} is not a string")
    return value


def _header_safe(value: str, name: str) -> str:
    if any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise BadKubeconfig(f"kubeconfig: {name} holds control characters")
    return value


def _split(url: str, name: str) -> Any:
    try:
        parts = urlsplit(url)
        _ = parts.port  # parsed on access
    except ValueError:
        raise BadKubeconfig(f"kubeconfig: {name} is not a URL") from None
    return parts


def _proxy(url: str) -> str:
    if url and _split(url, "proxy-url").scheme not in ("http", "https"):
        raise BadKubeconfig("kubeconfig: proxy-url must start with http:// or https://")
    return url


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadKubeconfig(f"cannot read {path}: {error.strerror}") from error


def _candidates(path: str | os.PathLike[str] | None) -> list[Path]:
    if path:
        return [Path(path).expanduser()]
    listed = [Path(one).expanduser() for one in os.environ.get("KUBECONFIG", "").split(os.pathsep) if one]
    return [one for one in listed or [Path.home() / ".kube" / "config"] if one.is_file()]


def _resolve_paths(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Paths in a kubeconfig are relative to the file they stand in."""
    for section, inner, names in (
        ("clusters", "cluster", ("certificate-authority",)),
        ("users", "user", ("client-certificate", "client-key", "tokenFile")),
    ):
        for entry in document.get(section) or []:
            body = entry.get(inner) if isinstance(entry, dict) else None
            if not isinstance(body, dict):
                continue
            for name in names:
                if isinstance(body.get(name), str) and body[name]:
                    body[name] = str(folder / Path(body[name]).expanduser())
    return document


def _merge(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Join files as kubectl does: the first file that names an entry, or sets current-context, wins."""
    merged: dict[str, Any] = {"clusters": [], "contexts": [], "users": []}
    for document in documents:
        if document.get("current-context"):
            merged.setdefault("current-context", document["current-context"])
        for section in ("clusters", "contexts", "users"):
            merged[section] += document.get(section) or []  # a reader takes the first entry of a name
    return merged


def _in_cluster() -> ClusterConfig:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    host = f"[{host}]" if ":" in host else host
    return ClusterConfig(
        server=f"https://{host}:{port}",
        ca=_read(_IN_CLUSTER / "ca.crt"),
        token_file=str(_IN_CLUSTER / "token"),  # rotated by the kubelet, so never kept
        namespace=_read(_IN_CLUSTER / "namespace").decode().strip(),
    )
