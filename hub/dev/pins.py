"""
Which tools real clusters need, at which version, and which other versions would do. Pure but for reading ``go.mod``.

The version of a tool is that of its module in ``tools/<family>/go.mod``: one place to raise it. Families, because what
Kubernetes, helm, kwok and the servers need excludes each other.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Tool:
    """
    One program.

    Attributes:
        name: The name of the binary.
        family: Folder under ``tools/``.
        module: Whose version in ``go.mod`` is the tool's version.
        package: What Go builds, below ``module``.
        oldest: Oldest version, as (major, minor), of somebody else's build that fits; the major must be the same.
        version_args: Make it print its version and end.
        usual_seconds: How long the first build takes on two cores.
        stamp: Linker variables that carry ``{version}``, ``{major}``, ``{minor}``.
    """

    name: str
    family: str
    module: str
    package: str
    oldest: tuple[int, int]
    version_args: tuple[str, ...]
    usual_seconds: int
    stamp: tuple[str, ...] = ()


_KUBERNETES_STAMP = (
    "k8s.io/component-base/version.gitVersion={version}",
    "k8s.io/component-base/version.gitMajor={major}",
    "k8s.io/component-base/version.gitMinor={minor}",
    "k8s.io/client-go/pkg/version.gitVersion={version}",
)


def _kubernetes(name: str, seconds: int, oldest: tuple[int, int], *version_args: str) -> Tool:
    package = f"cmd/{name}"
    return Tool(name, "kubernetes", "k8s.io/kubernetes", package, oldest, version_args, seconds, _KUBERNETES_STAMP)


TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool("etcd", "kubernetes", "go.etcd.io/etcd/server/v3", "", (3, 5), ("--version",), 20),
        _kubernetes("kube-apiserver", 150, (1, 34), "--version"),
        _kubernetes("kube-controller-manager", 50, (1, 34), "--version"),
        _kubernetes("kube-scheduler", 40, (1, 34), "--version"),
        _kubernetes("kubectl", 50, (1, 30), "version", "--client"),
        Tool("kwok", "kwok", "sigs.k8s.io/kwok", "cmd/kwok", (0, 8), ("--version",), 50),
        Tool(
            "helm", "helm", "helm.sh/helm/v4", "cmd/helm", (4, 0), ("version", "--short"), 120,
            ("helm.sh/helm/v4/internal/version.version={version}",),
        ),
        Tool(
            "registry", "registry", "github.com/distribution/distribution/v3", "cmd/registry", (3, 0), ("--version",),
            90, ("github.com/distribution/distribution/v3/version.version={version}",),
        ),
        Tool(
            "versitygw", "versitygw", "github.com/versity/versitygw", "cmd/versitygw", (1, 0), ("--version",), 90,
            ("main.Version={version}",),
        ),
    )
}  # fmt: skip

CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
"""Of one minor version all three: a controller manager must not be newer than its API server."""

CLUSTER = ("etcd", *CONTROL_PLANE, "kwok")
"""What runs for one cluster."""

EVERYTHING = (*CLUSTER, "kubectl", "helm")
"""What runs, and what people and the hub need to use it."""


def pinned_version(tool: Tool, tools: Path) -> str:
    """Return the version of ``tool`` in the go.mod of its family, e.g. ``v1.36.3``."""
    text = (tools / tool.family / "go.mod").read_text()
    found = re.search(rf"^\s*{re.escape(tool.module)} (v\S+)", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"tools/{tool.family}/go.mod does not require {tool.module}")
    return found[1]


def cache_folder(tool: Tool, tools: Path) -> str:
    """
    Return the name of the cache folder for what ``tool``'s family pins now, e.g. ``helm-v4.3.1-5f0c7a91be02``.

    The hex digits stand for the whole dependency graph: raising any pin builds anew.
    """
    family = next(one for one in TOOLS.values() if one.family == tool.family and one.package)
    graph = hashlib.sha256(
        (tools / tool.family / "go.sum").read_bytes() + (tools / tool.family / "go.mod").read_bytes()
    )
    return f"{tool.family}-{pinned_version(family, tools)}-{graph.hexdigest()[:12]}"


def parse_version(text: str) -> tuple[int, int, int] | None:
    """Return the first ``1.2.3`` in what a tool printed about its version."""
    found = _VERSION.search(text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def fits(tool: Tool, version: tuple[int, int, int] | None, pinned: str) -> bool:
    """Return whether somebody else's build of ``tool`` can stand in for the pinned one."""
    wanted = parse_version(pinned)
    if version is None or wanted is None:
        return False
    return version[0] == wanted[0] and version[:2] >= tool.oldest


def linker_flags(tool: Tool, version: str) -> str:
    """Return the ``-ldflags`` that strip the binary and write its version into it."""
    major, minor, _ = parse_version(version) or (0, 0, 0)
    stamps = (one.format(version=version, major=major, minor=minor) for one in tool.stamp)
    return " ".join(["-s", "-w", *(f"-X {stamp}" for stamp in stamps)])
