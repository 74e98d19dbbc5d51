"""The hub as people install it: the chart on a real API server, and a hub process with exactly the chart's rights."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).parents[2]
CHART = PROJECT / "charts" / "hub"
HUBCTL = Path(sys.executable).with_name("hubctl")


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


async def run(*argv: Any, env: dict[str, str] | None = None) -> Ran:
    """Run a command."""
    process = await asyncio.create_subprocess_exec(
        *(str(one) for one in argv),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(env or {})},
    )
    out, err = await process.communicate()
    return Ran(process.returncode or 0, out.decode(), err.decode())


@dataclass(frozen=True)
class Host:
    """The cluster that the chart is installed on, and ``hubctl`` and helm run against it."""

    cluster: Any
    helm: Path
    env: dict[str, str] = field(default_factory=dict)

    async def hubctl(self, *args: str, check: bool = True) -> Ran:
        ran = await run(HUBCTL, *args, env={"KUBECONFIG": str(self.cluster.kubeconfig), **self.env})
        if check:
            assert ran.code == 0, f"hubctl {' '.join(args)}: {ran.out}{ran.err}"
        return ran

    async def token_kubeconfig(self, folder: Path, account: str = "hub", namespace: str = "hub-system") -> Path:
        """Write a kubeconfig with a token of a ServiceAccount in place of the administrator."""
        token = await self.cluster.kubectl_async("create", "token", account, "--namespace", namespace)
        config = json.loads(self.cluster.kubeconfig.read_text())
        config["users"] = [{"name": account, "user": {"token": token.strip()}}]
        for one in config["contexts"]:
            one["context"]["user"] = account
        path = folder / f"{namespace}-{account}.kubeconfig"
        path.write_text(json.dumps(config))
        return path

    def audited(self, user: str) -> list[dict[str, Any]]:
        """Return what the API server noted about a user."""
        path = self.cluster.cluster.folder / "logs" / "audit.log"
        lines = path.read_text(encoding="utf-8").splitlines()
        events = [json.loads(line) for line in lines if user in line and line.endswith("}")]
        return [one for one in events if one["user"]["username"] == user]


async def template(helm: Path, *args: str) -> Ran:
    """Run ``helm template`` on the chart."""
    ran = await run(helm, "template", "hub", CHART, "--namespace=hub-system", *args)
    lines = [line for line in ran.err.splitlines() if "symbolic link" not in line]
    return Ran(ran.code, ran.out, "\n".join(lines))


def documents(text: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(text) if one]


def granted(role: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Return the rights of a role as (group, resource, verb)."""
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used(events: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    """Return the rights that audited requests needed; server-side apply of something new needs create too."""
    found = set()
    for event in events:
        target = event.get("objectRef") or {}
        if "resource" not in target:
            continue
        resource = target["resource"] + (f"/{target['subresource']}" if target.get("subresource") else "")
        verbs = {event["verb"]}
        if event["verb"] == "patch" and event.get("responseStatus", {}).get("code") == 201:
            verbs.add("create")
        found |= {(target.get("apiGroup", ""), resource, verb) for verb in verbs}
    return found
