# ruff: noqa: E501  expectations are read as lines
"""
Image automation from end to end: a real registry, a real Git server, a real hub and real members.

The manifests are those of people's walk-throughs, as they wrote them; only addresses and namespaces are others.
"""

from __future__ import annotations

import contextlib

import pytest
import yaml
from scenario_scene import Scene

from hub.dev.gitserver import run_git
from hub.dev.images import push_image
from hub.dev.registry import LocalRegistry

pytestmark = pytest.mark.cluster

CHART = "examples/multicluster/helm-chart"
BOT = "fluxbot <fluxbot@flux.com>"


@pytest.fixture(scope="session")
async def registry(tmp_path_factory):
    async with LocalRegistry(tmp_path_factory.mktemp("images")) as running:
        yield running


@contextlib.asynccontextmanager
async def scene_of(world, registry, name, files=None):
    """A scene with a chart whose image is marked, and ``${image}``, a repository of its own."""
    async with Scene(world, name) as scene:
        scene.names["image"] = registry.repository(f"{scene.names['ns']}/hello-kubernetes")
        await scene.given(f"trees: {{helm-chart: {CHART}}}\nsource: false\n")
        marked = scene.files["helm-chart/values.yaml"]
        for old, part in (('repository: "nuclearwu/hello-kubernetes"', "name"), ('tag: ""', "tag")):
            assert old in marked
            marked = marked.replace(old, f'{old} # {{"$imagepolicy": "{scene.names["ns"]}:image-policy:{part}"}}')
        await scene.push({"helm-chart/values.yaml": marked} | (files or {}), poke=False)
        yield scene


async def apply(scene, text):
    for document in text.split("\n---\n"):
        await scene.apply("hub", yaml.safe_load(document))


async def git(scene, *args):
    return await run_git("-C", str(scene.world.git.root / f"{scene.names['repository']}.git"), *args)


async def ask(scene, what):
    await scene.step(f"reconcile {what}")


SOURCE = """
apiVersion: source.toolkit.fluxcd.io/v1beta2
kind: GitRepository
metadata:
  name: git-repo
spec:
  interval: 1m0s
  url: ${git}
  ref:
    branch: master
"""
RELEASE = """
apiVersion: helm.toolkit.fluxcd.io/v2beta1
kind: HelmRelease
metadata:
  name: member@-app
spec:
  targetNamespace: ${target}
  install:
    createNamespace: true
  kubeConfig:
    secretRef:
      name: member@
  interval: 1m
  chart:
    spec:
      chart: ./helm-chart
      version: "0.1.0"
      sourceRef:
        kind: GitRepository
        name: git-repo
      interval: 1m
      valuesFiles:
      - ./helm-chart/values.yaml
      - ./helm-chart/member@-values.yaml
      reconcileStrategy: Revision
"""
IMAGES = """
apiVersion: image.toolkit.fluxcd.io/v1beta1
kind: ImageRepository
metadata:
  name: image-repo
spec:
  image: ${image}
  insecure: true
  interval: 1m
---
apiVersion: image.toolkit.fluxcd.io/v1beta1
kind: ImagePolicy
metadata:
  name: image-policy
spec:
  imageRepositoryRef:
    name: image-repo
  policy:
    semver:
      range: 1.0.x
"""
AUTOMATION = """
apiVersion: image.toolkit.fluxcd.io/v1beta1
kind: ImageUpdateAutomation
metadata:
  name: image-update-automation
spec:
  interval: 1m0s
  sourceRef:
    kind: GitRepository
    name: git-repo
  git:
    checkout:
      ref:
        branch: master
    commit:
      author:
        email: fluxbot@flux.com
        name: fluxbot
      messageTemplate: '{{range .Updated.Images}}{{println .}}{{end}}'
    push:
      branch: master
  update:
    path: ./helm-chart
    strategy: Setters
"""
UPDATED = "ImageUpdateAutomation/image-update-automation"


def runs(tag):
    """Both members run that tag."""
    return [
        {
            f"{member}:Deployment/hello-kubernetes-${{target}}-{member}-app": {
                "spec": {"template": {"spec": {"containers": [{"image": f"${{image}}:{tag}"}]}}},
                "status": {"availableReplicas": 1, "updatedReplicas": 1},
            }
        }
        for member in ("member1", "member2")
    ]


async def test_a_pushed_image_reaches_both_members(world, registry):
    """The last chapter of the walk-through over two members."""
    async with scene_of(world, registry, "image-chapter") as scene:
        await push_image(scene.names["image"], "1.0.0")
        await apply(scene, SOURCE)
        for member in "12":
            await apply(scene, RELEASE.replace("@", member))
        await apply(scene, IMAGES)
        await scene.expect([
            {"ImageRepository/image-repo": {
                "conditions": {"Ready": {"status": "True", "message": "successful scan: found 1 tags"}},
                "status": {"canonicalImageName": "${image}", "lastScanResult": {"tagCount": 1, "latestTags": ["1.0.0"]}},
            }},
            {"ImagePolicy/image-policy": {
                "conditions": {"Ready": {"status": "True", "message": "Latest image tag for ${image} resolved to 1.0.0"}},
                "status": {"latestImage": "${image}:1.0.0", "latestRef": {"name": "${image}", "tag": "1.0.0"}},
            }},
        ])  # fmt: skip
        await apply(scene, AUTOMATION)
        await scene.expect(runs("1.0.0"))
        assert (
            await git(scene, "log", "-1", "--format=%an <%ae>|%B", "master")
            == f"{BOT}|{scene.names['image']}:1.0.0\n\n"
        )

        await push_image(scene.names["image"], "1.0.1", "1.1.0")
        await ask(scene, "ImageRepository/image-repo")
        await scene.expect(runs("1.0.1"))
        head = (await git(scene, "rev-parse", "master")).strip()
        changed = await git(scene, "show", "--format=", "--unified=0", "master")
        lines = [line for line in changed.splitlines() if line[:1] in "+-" and line[:3] not in {"+++", "---"}]
        marker = f'# {{"$imagepolicy": "{scene.names["ns"]}:image-policy:tag"}}'
        assert lines == [f'-      tag: "1.0.0" {marker}', f'+      tag: "1.0.1" {marker}']
        await scene.expect([
            {UPDATED: {
                "conditions": {"Ready": {"status": "True", "reason": "Succeeded"}},
                "status": {"lastPushCommit": head, "observedSourceRevision": f"master@sha1:{head}"},
            }},
            {f"events {UPDATED}": {
                "type": "Normal",
                "message": f"committed and pushed commit '{head}' to branch 'master'\n{scene.names['image']}:1.0.1",
            }},
        ])  # fmt: skip
        await ask(scene, UPDATED)
        status = (await scene.get(UPDATED))["status"]
        await scene.expect({UPDATED: {"conditions": {"Ready": {
            "message": f"no updates made; last commit {head[:7]} at {status['lastPushTime']}"
        }}}})  # fmt: skip
        assert (await git(scene, "rev-list", "--count", "master")).strip() == "4"
