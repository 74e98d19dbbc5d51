"""
What verbs that change something print, to the letter: piped, and on a terminal. See the module ``cli_golden``.

The steps are a story: each finds what the ones before it have left. It is told twice, in a namespace each. ``{...}`` in
words stands for what differs between the two.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from cli_golden import check, page
from cli_kit import TIME, Acting, Hubctl, Objects, Ran, artifact, snapshot, stored

from hub.api.helm import HelmRelease
from hub.api.image import ImageRepository
from hub.api.meta import SECRETS
from hub.api.source import GitRepository
from hub.dev.registry import LocalRegistry
from hub.kube.client import Client
from hub.kube.config import load_kubeconfig

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.cluster

RELEASE, GIT, IMAGES = HelmRelease.KIND, GitRepository.KIND, ImageRepository.KIND
COMMIT = "main@sha1:" + "ab" * 20
URL = ["--url", "https://git.example.com/x.git", "--branch", "main"]
CHART = ["--source", "GitRepository/repo", "--chart", "./web"]
THERE = ["--from-kubeconfig", "{member}"]

FETCHED = {"conditions": [("Ready", "True", "Succeeded", "stored artifact")], "artifact": artifact(COMMIT)}
RELEASED = {
    "conditions": [("Ready", "True", "UpgradeSucceeded", "Helm upgrade succeeded")],
    "history": [snapshot(2, "1.1.0"), snapshot(1, "1.0.0")],
    "lastAttemptedRevision": "1.1.0",
}
FAILED = {
    "conditions": [("Ready", "False", "InstallFailed", "it\nbroke"), ("Stalled", "True", "RetriesExceeded", "no")]
}
ROLLED_BACK = RELEASED | {"conditions": [("Ready", "True", "RollbackSucceeded", "Helm rollback succeeded")]}
SCANNED = {"conditions": [("Ready", "True", "Succeeded", "ok")], "lastScanResult": {"tagCount": 7, "scanTime": TIME}}


@dataclass(frozen=True)
class Step:
    """A command; the statuses that the hub writes from now on; what is typed when it asks."""

    words: list[str]
    answers: Mapping[str, Any] = field(default_factory=dict)
    typed: str = ""


STORY = {
    "create-git-waits": Step(["create", "source", "git", "repo", *URL], {"repo": FETCHED}),
    "create-git-again": Step(["create", "source", "git", "repo", *URL, "--interval", "9m", "--no-wait"]),
    "create-hr-waits": Step(["create", "hr", "web", *CHART], {"web": RELEASED}),
    "create-hr-fails": Step(["create", "hr", "sick", *CHART], {"sick": FAILED}),
    "create-image-waits": Step(["create", "image", "repository", "app", "--image", "ghcr.io/x/app"], {"app": SCANNED}),
    "create-helm-oci": Step(["create", "source", "helm", "charts", "--url", "oci://ghcr.io/x"]),
    "reconcile-helm-oci": Step(["reconcile", "source", "helm", "charts"]),
    "create-secret-git": Step(["create", "secret", "git", "login", "--username", "me", "--password", "pw"]),
    "create-secret-again": Step(["create", "secret", "git", "login", "--username", "me", "--password", "pw2"]),
    "reconcile-hr": Step(["reconcile", "hr", "web"]),
    "reconcile-hr-with-source": Step(["reconcile", "hr", "web", "--with-source", "--force", "--reset"]),
    "reconcile-hr-fails": Step(["reconcile", "hr", "sick"]),
    "reconcile-image": Step(["reconcile", "image", "repository", "app"]),
    "reconcile-typo": Step(["reconcile", "source", "git", "rpeo"]),
    "reconcile-late": Step(["reconcile", "source", "git", "repo", "--timeout", "200ms"], {"repo": {}}),
    "suspend-hr": Step(["suspend", "hr", "web"]),
    "suspend-all": Step(["suspend", "source", "git", "--all"]),
    "suspend-some": Step(["suspend", "hr", "web", "nobody"]),
    "resume-hr": Step(["resume", "hr", "web"]),
    "resume-no-wait": Step(["resume", "source", "git", "--all", "--no-wait"], {"repo": FETCHED}),
    "rollback-asks": Step(["rollback", "hr", "web"], typed="n\n"),
    "rollback-no-such": Step(["rollback", "hr", "web", "--to", "9", "--yes"]),
    "rollback-there": Step(["rollback", "hr", "web", "--to", "2", "--yes"]),
    "rollback-hr": Step(["rollback", "hr", "web", "--yes"], {"web": ROLLED_BACK}),
    "rollback-no-wait": Step(["rollback", "hr", "web", "--to", "1", "--yes", "--no-wait"]),
    "member-add": Step(["member", "add", "edge", *THERE, "--label", "region=eu", "--no-wait"]),
    "member-add-again": Step(["member", "add", "edge", *THERE, "--no-wait"]),
    "member-add-account": Step(["member", "add", "far", *THERE, "--service-account", "{ns}/hub", "--no-wait"]),
    "member-list": Step(["member", "list"]),
    "member-list-wide": Step(["member", "list", "-o", "wide"]),
    "member-list-jsonpath": Step(["member", "list", "-o", "jsonpath={{.items[*].metadata.name}}"]),
    "member-show": Step(["member", "show", "edge"]),
    "member-show-typo": Step(["member", "show", "egde"]),
    "member-check": Step(["member", "check", "far"]),
    "member-rotate": Step(["member", "rotate", "far"]),
    "member-rotate-refused": Step(["member", "rotate", "edge"]),
    "member-rotate-from": Step(["member", "rotate", "edge", *THERE]),
    "member-remove-asks": Step(["member", "remove", "edge"], typed="n\n"),
    "member-remove": Step(["member", "remove", "edge", "--yes"]),
    "delete-asks": Step(["delete", "source", "git", "repo"], typed="n\n"),
    "delete-several-asks": Step(["delete", "hr", "web", "sick"], typed="\n"),
    "delete-typo": Step(["delete", "hr", "web", "scik", "--yes"]),
    "delete-hr": Step(["delete", "hr", "web", "--yes"]),
    "delete-no-wait": Step(["delete", "source", "git", "repo", "-s", "--no-wait"]),
    "build-artifact": Step(["build", "artifact", "--path", "{folder}/in", "--output", "{out}.tgz"]),
    "build-artifact-missing": Step(["build", "artifact", "--path", "{folder}/none"]),
    "build-helmrelease-missing": Step(["build", "helmrelease", "sik"]),
    "push-artifact": Step([
        "push", "artifact", "oci://{registry}/app:v1", "--path", "{folder}/in", "--source", "https://example.com/x.git",
        "--revision", COMMIT, "--insecure",
    ]),
    "push-artifact-without-source": Step(["push", "artifact", "oci://{registry}/app:v1", "--path", "{folder}/in"]),
    "pull-artifact": Step(["pull", "artifact", "oci://{registry}/app:v1", "--output", "{out}", "--insecure"]),
    "pull-artifact-again": Step(["pull", "artifact", "oci://{registry}/app:v1", "--output", "{out}", "--insecure"]),
    "image-preview-missing": Step(["image", "preview", "nobody"]),
    "dev-status-nothing": Step(["dev", "status", "--dir", "{folder}/none"]),
    "list-artifacts": Step(["list", "artifacts", "oci://{registry}/app", "--insecure"]),
    "list-artifacts-filter": Step([
        "list", "artifacts", "oci://{registry}/app", "--insecure", "--filter-semver", ">=2", "-o", "json",
    ]),
    "tag-artifact": Step([
        "tag", "artifact", "oci://{registry}/app:v1", "--tag", "v1.0.0", "--tag", "latest", "--insecure",
    ]),
    "tag-artifact-missing": Step(["tag", "artifact", "oci://{registry}/app:v9", "--tag", "v1", "--insecure"]),
    "list-artifacts-tagged": Step(["list", "artifacts", "oci://{registry}/app", "--insecure", "--filter-regex", "^v1"]),
    "dev-status": Step(["dev", "status", "--dir", "{clusters}"]),
    "dev-down-nothing": Step(["dev", "down", "--dir", "{folder}/none"]),
}  # fmt: skip


@pytest.fixture(scope="module")
async def pages(clusters, forks, tmp_path_factory):
    """The page of each step. Both stories are told at once; they share only the files that they pack."""
    folder = tmp_path_factory.mktemp("story")
    (folder / "in").mkdir()
    (folder / "in" / "app.yaml").write_text("kind: ConfigMap\n")
    async with LocalRegistry(folder / "registry") as registry:
        tellings = [Telling(clusters, forks, folder, registry, mode) for mode in ("piped", "shown")]
        piped, shown = await asyncio.gather(*(telling.tell() for telling in tellings))
    words = {name: [told(word) for word in step.words] for name, step in STORY.items()}
    return {name: page(words[name], piped[name], shown[name], "test-00000000") for name in STORY}


def told(word: str) -> str:
    """Return a word as pages show it."""
    names = {"member": "MEMBER", "folder": "FOLDER", "out": "OUT", "registry": "REGISTRY", "clusters": "DIR"}
    return word.format(ns="test-00000000", **names)


class Telling:
    """The story in one namespace: piped, or on a terminal."""

    def __init__(self, clusters, forks, folder, registry, mode) -> None:
        self.namespace = f"test-{uuid.uuid4().hex[:8]}"
        self._clusters, self._mode = clusters, mode
        self._hubctl = Hubctl(clusters.hub.kubeconfig, self.namespace, forks)
        # The longest first: one may be a part of another.
        self._names = {
            "ns": (self.namespace, "test-00000000"),
            "out": (str(folder / mode), "OUT"),
            "folder": (str(folder), "FOLDER"),
            "member": (str(clusters.members[0].kubeconfig), "MEMBER"),
            "clusters": (str(clusters.folder), "DIR"),
            "registry": (registry.repository(mode), "REGISTRY"),
        }

    async def tell(self) -> dict[str, Ran]:
        for cluster in (self._clusters.hub, self._clusters.members[0]):
            await cluster.kubectl_async("create", "namespace", self.namespace)
        client = Client(load_kubeconfig(self._clusters.hub.kubeconfig))
        objects = Objects(client, self.namespace)
        for version, status, chart in ((1, "superseded", "1.0.0"), (2, "deployed", "1.1.0")):
            await client.create(SECRETS, stored(version, status, chart), self.namespace)
        try:
            async with Acting(objects, (GIT, RELEASE, IMAGES)) as hub:
                return {name: await self._run(step, hub) for name, step in STORY.items()}
        finally:
            await client.aclose()
            member = self._clusters.members[0]
            await member.kubectl_async(
                "delete", "clusterrolebinding", f"hub-{self.namespace}-hub", "--ignore-not-found"
            )
            for cluster in (self._clusters.hub, member):
                await cluster.kubectl_async("delete", "namespace", self.namespace, "--wait=false")

    async def _run(self, step: Step, hub: Acting) -> Ran:
        hub.require_well()
        home = {"storageNamespace": self.namespace}
        hub.answers |= {k: v | home if "history" in v else v for k, v in step.answers.items()}
        words = [word.format(**{key: real for key, (real, _) in self._names.items()}) for word in step.words]
        if self._mode == "piped":
            ran = await self._hubctl(*words)
        else:
            ran = await self._hubctl.on_a_terminal(*words, typed=step.typed)
        return replace(ran, out=self._anonymous(ran.out), err=self._anonymous(ran.err))

    def _anonymous(self, text: str) -> str:
        for real, stand_in in self._names.values():
            text = text.replace(real, stand_in)
        return text


@pytest.mark.parametrize("name", STORY)
def test_page(pages, name):
    check(name, pages[name])
