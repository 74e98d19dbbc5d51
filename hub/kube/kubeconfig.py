"""A kubeconfig to hand over: everything in it, nothing that only works on this machine. Pure."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import yaml

from hub.kube.config import BadKubeconfig

if TYPE_CHECKING:
    from hub.kube.config import ClusterConfig


def write_kubeconfig(config: ClusterConfig, name: str) -> str:
    """
    Return one cluster's kubeconfig as YAML, credentials inline.

    Raises:
        BadKubeconfig: Its credentials come from a program or a file of this machine.
    """
    if config.exec is not None or config.token_file:
        what = "an exec plugin" if config.exec is not None else "a token file"
        raise BadKubeconfig(f"kubeconfig: the user's credentials come from {what}, which the hub does not have")
    cluster = {
        "server": config.server,
        "certificate-authority-data": _encoded(config.ca),
        "tls-server-name": config.tls_server_name,
        "proxy-url": config.proxy_url,
        "insecure-skip-tls-verify": config.insecure_skip_tls_verify,
    }
    user = {
        "token": config.token,
        "client-certificate-data": _encoded(config.client_cert),
        "client-key-data": _encoded(config.client_key),
        "username": config.username,
        "password": config.password,
    }
    document: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": _given(cluster)}],
        "users": [{"name": name, "user": _given(user)}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }
    return yaml.safe_dump(document, sort_keys=False)


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
