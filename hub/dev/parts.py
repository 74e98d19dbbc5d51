"""The parts of a cluster and their command lines: where files are, which ports, who has which certificate."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from hub.dev.certs import Authority, Pair, signing_key, write_private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PARTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
"""In the order in which they start."""

PORTS = {"etcd": "etcd", "etcd-peer": "etcd", "kube-apiserver": "kube-apiserver"}
"""Names of ports, and the part that listens there."""

_SERVICE_RANGE = "10.96.0.0/16"  # a /24 is full after 254 Services
_POD_RANGE = "10.128.0.0/16"
_SERVICE_HOSTS = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "10.96.0.1")
_NODE_LEASE = 120  # seconds; kwok renews after a quarter of it, so that idle clusters stay idle
_NODE_GRACE = "10m0s"  # longer than any test pauses a part: nobody evicts the Pods of a node that merely slept


@dataclass(frozen=True, slots=True)
class Layout:
    """
    Where the files of one cluster are.

    Attributes:
        name: Of the cluster.
        folder: Absolute.
        ports: By the names of :data:`PORTS`.
    """

    name: str
    folder: Path
    ports: Mapping[str, int]

    @property
    def server(self) -> str:
        """URL of the API server."""
        return f"https://127.0.0.1:{self.ports['kube-apiserver']}"

    def write(self, kubeconfig: Path) -> None:
        """Make certificates and configuration files that are missing, and the kubeconfig for people."""
        write_private(kubeconfig, self._kubeconfig("admin", "hubctl-dev-admin", ("system:masters",)))
        for part in ("kube-controller-manager", "kube-scheduler"):
            write_private(self.kubeconfig_of(part), self._kubeconfig(part, f"system:{part}"))
        write_private(self.kubeconfig_of("kwok"), self._kubeconfig("kwok", "hubctl-dev-kwok", ("system:masters",)))
        write_private(self.stages, _stages())
        write_private(self.scheduler_config, json.dumps(self._scheduler()).encode())
        write_private(self.audit_policy, json.dumps(_AUDIT_POLICY).encode())

    def kubeconfig_of(self, part: str) -> Path:
        """The kubeconfig that ``part`` uses."""
        return self.folder / "config" / f"{part}.kubeconfig"

    @property
    def stages(self) -> Path:
        """What kwok plays; the name changes with the content, so that a change restarts kwok."""
        return self.folder / "config" / f"stages-{hashlib.sha256(_stages()).hexdigest()[:8]}.yaml"

    @property
    def scheduler_config(self) -> Path:
        """The scheduler's configuration file."""
        return self.folder / "config" / "scheduler.json"

    @property
    def audit_policy(self) -> Path:
        """What the API server writes into ``logs/audit.log``."""
        return self.folder / "config" / "audit-policy.json"

    @property
    def authority(self) -> Authority:
        """Who signs for clients and servers of Kubernetes."""
        return Authority(self.folder / "pki", "ca")

    @property
    def etcd_authority(self) -> Authority:
        """Who signs for etcd and its only client."""
        return Authority(self.folder / "pki" / "etcd", "etcd-ca")

    def _kubeconfig(self, name: str, user: str, groups: tuple[str, ...] = ()) -> bytes:
        authority = self.authority
        pair = authority.client(name, user, groups)
        cluster = {"server": self.server, "certificate-authority-data": _inline(authority.pair.cert)}
        credentials = {"client-certificate-data": _inline(pair.cert), "client-key-data": _inline(pair.key)}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": self.name, "cluster": cluster}],
            "users": [{"name": user, "user": credentials}],
            "contexts": [{"name": self.name, "context": {"cluster": self.name, "user": user}}],
            "current-context": self.name,
        }
        return json.dumps(content, indent=2).encode()  # JSON is YAML

    def _scheduler(self) -> dict[str, Any]:
        return {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "leaderElection": {"leaderElect": False},
            "clientConnection": {"kubeconfig": str(self.kubeconfig_of("kube-scheduler")), "qps": 200, "burst": 400},
        }


_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "users": ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler"]},
        {"level": "None", "users": ["hubctl-dev-kwok"]},
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "None", "nonResourceURLs": ["/readyz*", "/livez*", "/healthz*"]},
        {"level": "Metadata"},  # never bodies: they hold Secrets
    ],
}


def commands(layout: Layout, tools: Mapping[str, Path]) -> dict[str, list[str]]:
    """Return the command line of every part."""
    makers = (_etcd, _apiserver, _controller_manager, _scheduler, _kwok)
    return {part: [str(tools[part]), *maker(layout)] for part, maker in zip(PARTS, makers, strict=True)}


def _etcd(layout: Layout) -> list[str]:
    own = layout.etcd_authority.server("etcd-server", also_client=True)
    trusted = layout.etcd_authority.pair.cert
    url, peer_url = (f"https://127.0.0.1:{layout.ports[port]}" for port in ("etcd", "etcd-peer"))
    return [
        f"--data-dir={layout.folder / 'etcd'}",
        "--name=default",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer_url}",
        f"--initial-advertise-peer-urls={peer_url}",
        f"--initial-cluster=default={peer_url}",
        "--client-cert-auth=true",
        *_tls_flags("", own, trusted),
        "--peer-client-cert-auth=true",
        *_tls_flags("peer-", own, trusted),
        "--unsafe-no-fsync=true",
        "--log-level=warn",
    ]


def _tls_flags(prefix: str, pair: Pair, trusted: Path) -> list[str]:
    return [
        f"--{prefix}cert-file={pair.cert}",
        f"--{prefix}key-file={pair.key}",
        f"--{prefix}trusted-ca-file={trusted}",
    ]


def _apiserver(layout: Layout) -> list[str]:
    serving = layout.authority.server("kube-apiserver", _SERVICE_HOSTS)
    store = layout.etcd_authority.client("kube-apiserver-etcd-client", "kube-apiserver")
    tokens = signing_key(layout.folder / "pki", "service-accounts")
    return [
        f"--etcd-servers=https://127.0.0.1:{layout.ports['etcd']}",
        f"--etcd-cafile={layout.etcd_authority.pair.cert}",
        f"--etcd-certfile={store.cert}",
        f"--etcd-keyfile={store.key}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={layout.ports['kube-apiserver']}",
        f"--tls-cert-file={serving.cert}",
        f"--tls-private-key-file={serving.key}",
        f"--client-ca-file={layout.authority.pair.cert}",
        "--authorization-mode=Node,RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={tokens.cert}",
        f"--service-account-signing-key-file={tokens.key}",
        f"--service-cluster-ip-range={_SERVICE_RANGE}",
        "--endpoint-reconciler-type=none",  # endpoints may not be on the loopback address
        "--allow-privileged=true",
        f"--audit-policy-file={layout.audit_policy}",
        f"--audit-log-path={layout.folder / 'logs' / 'audit.log'}",
        "--audit-log-maxsize=20",
        "--audit-log-maxbackup=1",
        "--profiling=false",
    ]


def _controller_manager(layout: Layout) -> list[str]:
    authority = layout.authority.pair
    return [
        f"--kubeconfig={layout.kubeconfig_of('kube-controller-manager')}",
        "--leader-elect=false",
        "--secure-port=0",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={signing_key(layout.folder / 'pki', 'service-accounts').key}",
        f"--root-ca-file={authority.cert}",
        f"--cluster-signing-cert-file={authority.cert}",
        f"--cluster-signing-key-file={authority.key}",
        f"--node-monitor-grace-period={_NODE_GRACE}",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--profiling=false",
    ]


def _scheduler(layout: Layout) -> list[str]:
    return [f"--config={layout.scheduler_config}", "--secure-port=0"]


def _kwok(layout: Layout) -> list[str]:
    return [
        f"--kubeconfig={layout.kubeconfig_of('kwok')}",
        f"--config={layout.stages}",
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        f"--node-lease-duration-seconds={_NODE_LEASE}",
        "--node-ip=127.0.0.1",
        f"--cidr={_POD_RANGE}",
        "--v=WARN",
    ]


def _stages() -> bytes:
    return files("hub.dev").joinpath("stages.yaml").read_bytes()


def _inline(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
