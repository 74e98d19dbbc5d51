"""Post-renderers: real kustomize, reached the way helm's plugin does it."""

import asyncio
import subprocess
import sys

import pytest
import yaml

from hub.api.helm import PostRenderer
from hub.release.postrender import PLUGIN, PostRenderers, RenderFailed, complaint, kustomization, render

MANIFEST = b"""
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers: [{name: web, image: "nginx:1"}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
"""
JSON_PATCH = '[{"op": "add", "path": "/metadata/labels", "value": {"patched": "json"}}]'


def renderer(**kustomize):
    return PostRenderer.parse({"kustomize": kustomize})


@pytest.fixture(autouse=True)
def kubectl(clusters, monkeypatch):
    """The kubectl of the test clusters, which contains kustomize."""
    monkeypatch.setenv("PATH", str(clusters.kubectl.parent))


async def rendered(*renderers):
    return {item["kind"]: item for item in yaml.safe_load_all((await render(MANIFEST, renderers)).manifest)}


@pytest.mark.cluster
async def test_patches_and_images():
    out = await rendered(
        renderer(
            patches=[{"patch": JSON_PATCH, "target": {"kind": "Service"}}], images=[{"name": "nginx", "newTag": "2"}]
        )
    )
    assert out["Service"]["metadata"]["labels"] == {"patched": "json"}
    assert "labels" not in out["Deployment"]["metadata"]
    assert out["Deployment"]["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:2"


@pytest.mark.cluster
async def test_renderers_follow_each_other():
    strategic = "apiVersion: v1\nkind: Service\nmetadata: {name: web, labels: {patched: merge}}\n"
    out = await rendered(
        renderer(patches=[{"patch": JSON_PATCH, "target": {"kind": "Service"}}]),
        renderer(patches=[{"patch": strategic}]),
    )
    assert out["Service"]["metadata"]["labels"] == {"patched": "merge"}


@pytest.mark.cluster
async def test_fields_of_old_versions_still_work():
    out = await rendered(
        renderer(
            patchesStrategicMerge=[
                {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "labels": {"old": "merge"}}}
            ],
            patchesJson6902=[
                {
                    "target": {"version": "v1", "kind": "Deployment", "name": "web", "group": "apps"},
                    "patch": [{"op": "add", "path": "/metadata/labels", "value": {"old": "json"}}],
                }
            ],
        )
    )
    assert out["Service"]["metadata"]["labels"] == {"old": "merge"}
    assert out["Deployment"]["metadata"]["labels"] == {"old": "json"}


@pytest.mark.cluster
async def test_what_kustomize_refuses_is_told_in_its_words():
    with pytest.raises(RenderFailed, match=r"^spec.postRenderers\[0\].kustomize: .*nowhere"):
        await render(
            MANIFEST, [renderer(patches=[{"patch": "kind: Service\napiVersion: v1\nmetadata: {name: nowhere}\n"}])]
        )


@pytest.mark.cluster
async def test_the_plugin_reaches_the_hub(tmp_path):
    renderers = PostRenderers(tmp_path)
    await renderers.start()

    def plugin(*arguments):
        argv = [sys.executable, "-I", "-S", str(tmp_path / PLUGIN / "render.py"), *arguments]
        return subprocess.run(argv, input=MANIFEST, capture_output=True, check=False)

    try:
        with renderers.session([renderer(images=[{"name": "nginx", "newTag": "3"}])]) as rendering:
            done = await asyncio.to_thread(plugin, *rendering.arguments)
        assert done.returncode == 0
        assert b"nginx:3" in done.stdout
        late = await asyncio.to_thread(plugin, *rendering.arguments)
        assert (late.returncode, late.stderr) == (1, b"the run is over")
    finally:
        await renderers.stop()


HOOKED = b"""# Source: a
apiVersion: v1
kind: Service
metadata: {name: web}
---
# Source: b
apiVersion: v1
kind: ConfigMap
metadata: {name: hook, annotations: {helm.sh/hook: pre-upgrade}}
"""


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("strategy", "changed"),
    [
        pytest.param("combined", {"web", "hook"}, id="hooks along with the rest"),
        pytest.param("separate", {"web", "hook"}, id="hooks for themselves"),
        pytest.param("nohooks", {"web"}, id="no hooks"),
    ],
)
async def test_strategies(strategy, changed):
    patch = {"patch": JSON_PATCH, "target": {"name": ".*"}}
    rendered = await render(HOOKED, [renderer(patches=[patch])], strategy)
    out = list(yaml.safe_load_all(rendered.manifest))
    assert rendered.idle == []
    assert {item["metadata"]["name"] for item in out} == {"web", "hook"}
    assert {item["metadata"]["name"] for item in out if "labels" in item["metadata"]} == changed


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("strategy", "idle"),
    [
        pytest.param("combined", [], id="there among all"),
        pytest.param("separate", [], id="there among the hooks"),
        pytest.param("nohooks", ["spec.postRenderers[1].kustomize.patches[0] (target kind=ConfigMap)"], id="left out"),
    ],
)
async def test_patches_without_a_target_are_told(strategy, idle):
    hook = {"patch": JSON_PATCH, "target": {"kind": "ConfigMap"}}
    renderers = [renderer(images=[{"name": "a", "newTag": "2"}]), renderer(patches=[hook])]
    assert (await render(HOOKED, renderers, strategy)).idle == idle


def test_no_renderers_no_arguments(tmp_path):
    with PostRenderers(tmp_path).session([]) as rendering:
        assert rendering.arguments == ()


def test_kustomization_names_the_manifest_alone():
    made = kustomization(renderer(images=[{"name": "a", "newName": "b", "digest": "sha256:1"}]).kustomize)
    assert made["resources"] == ["manifest.yaml"]
    assert made["images"] == [{"name": "a", "newName": "b", "digest": "sha256:1"}]


@pytest.mark.parametrize(
    "stderr",
    [
        pytest.param('error: no match for "a"\n', id="kubectl"),
        pytest.param('Error: no match for "a"\n', id="kustomize"),
        pytest.param(
            'E1121 15:52:06.229644   22451 run.go:72] "command failed" err="no match for \\"a\\""\n', id="logged"
        ),
        pytest.param(
            'E1121 18:59:11.134994    2582 run.go:72] "command failed" err=<\n\tno match for "a"\n >\n', id="in lines"
        ),
    ],
)
def test_complaint(stderr):
    assert complaint(stderr) == 'no match for "a"'
