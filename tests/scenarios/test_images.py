# ruff: noqa: E501  expectations are read as lines
"""
Image automation from end to end: a real registry, a real Git server, a real hub and real members.

The manifests are those of people's walk-throughs, as they wrote them; only addresses and namespaces are others.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from scenario_match import Present, Re
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
        marked = scene.files["helm-chart/values.yaml"].replace("gitops-project:", f"{scene.names['ns']}:")
        assert marked.count(f'{{"$imagepolicy": "{scene.names["ns"]}:image-policy:') == 2
        await scene.push({"helm-chart/values.yaml": marked} | (files or {}), poke=False)
        yield scene


async def apply(scene, text):
    for document in text.split("\n---\n"):
        await scene.apply("hub", yaml.safe_load(document))


async def git(scene, *args):
    return await run_git("-C", str(scene.world.git.root / f"{scene.names['repository']}.git"), *args)


async def hubctl(scene, *args):
    """Run the command line as a person would; return what it prints."""
    command = [Path(sys.executable).parent / "hubctl", "--kubeconfig", scene.world.sites["hub"].kubeconfig, *args]
    process = await asyncio.create_subprocess_exec(
        *command, "-n", scene.names["ns"], stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode()


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
    notes = 'a: 1 # {"$imagepolicy": "x:nobody:tag"}\n---\nb: {{ .Values.b }}: # {"$imagepolicy": "x:y"}\n'
    async with scene_of(world, registry, "image-chapter", {"helm-chart/notes.yaml": notes}) as scene:
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

        ignored = "helm-chart/notes.yaml:3: the document cannot be read .*helm-chart/notes.yaml:1: the marker names the ImagePolicy 'x/nobody', which does not exist"
        await scene.expect(
            {f"events {UPDATED}": {"type": "Warning", "reason": "MarkerIgnored", "message": Re(ignored)}}
        )

        await scene.step(f"patch {UPDATED}", {"spec": {"suspend": True}})
        await push_image(scene.names["image"], "1.0.2")
        await ask(scene, "ImageRepository/image-repo")
        await scene.expect({"ImagePolicy/image-policy": {"status": {"latestRef": {"tag": "1.0.2"}}}})
        shown = await hubctl(scene, "image", "preview", "image-update-automation")
        assert f"would push to branch 'master', on top of master@sha1:{head}" in shown
        assert f"    {scene.names['image']}:1.0.2\n" in shown
        assert f'-      tag: "1.0.1" {marker}\n+      tag: "1.0.2" {marker}\n' in shown
        assert (await git(scene, "rev-parse", "master")).strip() == head
        table = await hubctl(scene, "get", "images", "all")
        assert re.search(r"^imagerepository/image-repo +\d{4}-.*successful scan: found 4 tags$", table, re.MULTILINE)
        assert re.search(
            rf"^imagepolicy/image-policy +{re.escape(scene.names['image'])} +1\.0\.2 ", table, re.MULTILINE
        )
        assert re.search(r"^imageupdateautomation/image-update-automation +\d{4}-.* True ", table, re.MULTILINE)


WALK = """
apiVersion: image.toolkit.fluxcd.io/v1beta2
kind: ImageRepository
metadata:
  name: k8s-demo
spec:
  image: ${image}
  insecure: true
  interval: 30s
---
apiVersion: image.toolkit.fluxcd.io/v1beta1
kind: ImagePolicy
metadata:
  name: k8s-demo
spec:
  imageRepositoryRef:
    name: k8s-demo
  filterTags:
    pattern: "^main-[a-fA-F0-9]+-(?P<ts>.*)"
    extract: "$ts"
  policy:
    numerical:
      order: asc
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata:
  name: k8s-demo
spec:
  interval: 1h
  url: ${git}
  ref: {branch: master}
---
apiVersion: image.toolkit.fluxcd.io/v1beta1
kind: ImageUpdateAutomation
metadata:
  name: k8s-demo
spec:
  git:
    checkout:
      ref:
        branch: master
    commit:
      author:
        email: fluxcdbot@youdianzhishi.com
        name: fluxcdbot
      messageTemplate: "{{range .Updated.Images}}{{println .}}{{end}}"
    push:
      branch: master
  interval: 1m0s
  sourceRef:
    kind: GitRepository
    name: k8s-demo
  update:
    path: ./helm/my-values.yaml
    strategy: Setters
"""
MY_VALUES = """# my-values.yaml
image:
  repository: cnych/devops-demo # {"$imagepolicy": "NS:k8s-demo:name"}
  tag: d3fc3d5 # {"$imagepolicy": "NS:k8s-demo:tag"}
  pullPolicy: IfNotPresent
  imagePullSecrets:
    - name: docker-auth
# ......
"""
LONG_MESSAGE = """Automated image update
Automation name: {{ .AutomationObject }}

Files:
{{ range $filename, $_ := .Updated.Files -}}
- {{ $filename }}
{{ end -}}

Objects:
{{ range $resource, $_ := .Updated.Objects -}}
- {{ $resource.Kind | lower }} {{ $resource.Name | lower  }}
{{ end -}}

Images:
{{ range $_, $image := .Updated.Images -}}
 {{ if contains "main-e21d" $image.String -}}
  - {{ $image }}
 {{ else -}}
  [skip ci] wrong image
 {{ end -}}
{{ end -}}
"""


async def test_the_walk_by_build_tags(world, registry):
    """Tags made of branch, commit and time; the file itself is the path; kubectl's tables; the long message."""
    async with scene_of(world, registry, "image-walk") as scene:
        image, ns = scene.names["image"], scene.names["ns"]
        await push_image(image, "main-25de3e1a-1695469144", "d3fc3d5", "f4fc1ec", "dev-0-9999999999")
        values = MY_VALUES.replace("NS", ns)
        await scene.push({"helm/my-values.yaml": values, "helm/other.yaml": values}, poke=False)
        await apply(scene, WALK)
        want = values.replace("cnych/devops-demo", image).replace("d3fc3d5", "main-25de3e1a-1695469144")
        await scene.expect([
            {"ImageRepository/k8s-demo": {"status": {"lastScanResult": {"tagCount": 4}}, "conditions": {
                "Ready": {"message": "successful scan: found 4 tags"}}}},
            {"ImagePolicy/k8s-demo": {"status": {"latestImage": "${image}:main-25de3e1a-1695469144"}}},
            {"ImageUpdateAutomation/k8s-demo": {"conditions": {"Ready": "True Succeeded"}, "status": {"lastPushCommit": Present()}}},
        ])  # fmt: skip
        assert await git(scene, "show", "master:helm/my-values.yaml") == want
        assert await git(scene, "show", "master:helm/other.yaml") == values

        patch = {"spec": {"git": {"commit": {"messageTemplate": LONG_MESSAGE}}}}
        await scene.step("patch ImageUpdateAutomation/k8s-demo", patch)
        await push_image(image, "main-e21d5f90-1695526572")
        await ask(scene, "ImageRepository/k8s-demo")
        await scene.expect({"ImagePolicy/k8s-demo": {"status": {
            "latestRef": {"tag": "main-e21d5f90-1695526572"},
            "observedPreviousRef": {"tag": "main-25de3e1a-1695469144"},
        }}})  # fmt: skip
        found = f"{image}:main-e21d5f90-1695526572"
        want = (
            f"Automated image update\nAutomation name: {ns}/k8s-demo\n\nFiles:\n- helm/my-values.yaml\n"
            f"Objects:\n- \nImages:\n- {found}\n\n"
        )
        await scene.expect({"ImageUpdateAutomation/k8s-demo": {"status": {
            "observedPolicies": {"k8s-demo": {"tag": "main-e21d5f90-1695526572"}}
        }}})  # fmt: skip
        message = await git(scene, "log", "-1", "--format=%B", "master")
        assert [line.strip() for line in message.rstrip().splitlines()] == [
            line.strip() for line in want.rstrip().splitlines()
        ]

        # The template of the page takes the index for the image: Go refuses that, and so do we, with the way out.
        broken = LONG_MESSAGE.replace("$_, $image :=", "$image, $_ :=").replace("$image.String", "$image")
        patch = {"spec": {"git": {"commit": {"messageTemplate": broken}}}}
        await scene.step("patch ImageUpdateAutomation/k8s-demo", patch)
        before = await git(scene, "rev-parse", "master")
        await push_image(image, "main-ffffffff-1795526572")
        await ask(scene, "ImageRepository/k8s-demo")
        await scene.expect({"ImageUpdateAutomation/k8s-demo": {"conditions": {"Ready": {
            "status": "False", "reason": "GitOperationFailed", "message": Re("write 'range \\$_, \\$image := .Updated.Images'"),
        }}}})  # fmt: skip
        assert await git(scene, "rev-parse", "master") == before


HOOK = """#!/bin/sh
touch reached
while [ ! -e go ]; do sleep 0.05; [ -d . ] || exit 1; done
exit $(cat go)
"""


@pytest.mark.parametrize("verdict", ["1", "0"], ids=["before-the-push", "after-the-push"])
async def test_hub_killed(own_world, registry, verdict, eventually):
    """Killed while it pushes: whether or not the push comes through, there is one commit, and it is told of."""
    async with own_world(f"image-killed-{verdict}") as scene:
        scene.names["image"] = registry.repository(f"{scene.names['ns']}/hello")
        await push_image(scene.names["image"], "1.0.0")
        await scene.given("source: false\n")
        values = f'tag: "" # {{"$imagepolicy": "{scene.names["ns"]}:image-policy:tag"}}\n'
        await scene.push({"helm-chart/values.yaml": values}, poke=False)
        bare = scene.world.git.root / f"{scene.names['repository']}.git"
        hook = bare / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(HOOK)
        hook.chmod(0o755)
        began = int(await git(scene, "rev-list", "--count", "master"))
        await apply(scene, SOURCE)
        await apply(scene, IMAGES)
        await apply(scene, AUTOMATION)
        await scene.world.hub.start()
        await eventually((bare / "reached").exists, 60)
        await scene.world.hub.kill()
        (bare / "go").write_text(verdict)
        if verdict == "0":
            await eventually(lambda: _count(bare) == began + 1)
        else:
            hook.unlink()
        await scene.world.hub.start()
        await scene.expect(
            {UPDATED: {"status": {"lastPushCommit": Present()}, "conditions": {"Ready": "True Succeeded"}}}
        )
        assert _count(bare) == began + 1
        head = (await git(scene, "rev-parse", "master")).strip()
        assert (await scene.get(UPDATED))["status"]["lastPushCommit"] == head
        assert await git(scene, "show", "master:helm-chart/values.yaml") == values.replace('""', '"1.0.0"')
        await scene.expect(
            {f"events {UPDATED}": {"type": "Normal", "message": Re(f"committed and pushed commit '{head}'")}}
        )


def _count(bare):
    ran = subprocess.run(["git", "-C", bare, "rev-list", "--count", "master"], capture_output=True, check=True)
    return int(ran.stdout)
