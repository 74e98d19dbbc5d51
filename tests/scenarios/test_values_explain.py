"""``hubctl values explain`` on a release of a real hub: piped, on a terminal, as documents, and what is missing."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import socket
import struct
import sys
import termios
from fcntl import ioctl
from pathlib import Path

import pytest
import yaml
from scenario_scene import Scene

pytestmark = pytest.mark.cluster

HUBCTL = Path(sys.executable).with_name("hubctl")

GIVEN = """
kind: GitRepository
metadata: {name: config}
---
kind: HelmRelease
metadata:
  annotations:
    hubctl.io/values-layers: "[{kind: GitRepository, name: config, path: config/member1.yaml}]"
spec:
  chart: {spec: {valuesFiles: [./web/values.yaml, ./web/member1.yaml]}}
  valuesFrom:
  - {kind: ConfigMap, name: common}
  - {kind: Secret, name: private}
  - {kind: ConfigMap, name: common, valuesKey: note, targetPath: 'podAnnotations.example\\.com/note'}
  values: {replicas: 3}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: common}
data: {values.yaml: "{message: common, renderError: null}", note: "'7'"}
---
apiVersion: v1
kind: Secret
metadata: {name: private}
stringData: {values.yaml: "message: hush"}
"""

TABLE = """\
KEY                              VALUE                         SET BY                                    OVERRIDES
hooks                            {}                            GitRepository/charts ./web/values.yaml
image                            registry.example.com/web:1.0  GitRepository/charts ./web/values.yaml
message                          (hidden)                      Secret/private values.yaml                common (ConfigMap/common values.yaml), layer (GitRepository/config config/member1.yaml), member1 (GitRepository/charts ./web/member1.yaml), hello (GitRepository/charts ./web/values.yaml)
podAnnotations.example\\.com/note  "7"                           ConfigMap/common note
renderError                      null                          ConfigMap/common values.yaml              "" (GitRepository/charts ./web/values.yaml)
replicas                         3                             values                                    2 (GitRepository/charts ./web/member1.yaml), 1 (GitRepository/charts ./web/values.yaml)
"""  # noqa: E501 - it is what is printed


@pytest.fixture(scope="module")
async def scene(world, tmp_path_factory):
    """A release whose values come from everywhere."""
    files = tmp_path_factory.mktemp("files")
    for path, text in {
        "web/member1.yaml": "{replicas: 2, message: member1}",
        "config/member1.yaml": "message: layer",
    }.items():
        (files / path).parent.mkdir(exist_ok=True)
        (files / path).write_text(text)
    async with Scene(world, "values-explain") as scene:
        await scene.given(GIVEN, files)
        await scene.expect({"HelmRelease/web": {"conditions": {"Ready": "True InstallSucceeded"}}})
        yield scene


@pytest.fixture
def hubctl(scene):
    """Run ``hubctl``, return exit code, stdout and stderr."""

    async def run(*args):
        process = await asyncio.create_subprocess_exec(
            *command(scene, *args), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    return run


def command(scene, *args):
    kubeconfig = scene.world.sites["hub"].kubeconfig
    return [HUBCTL, "--kubeconfig", kubeconfig, "-n", scene.names["ns"], "values", "explain", *args]


def known(text):
    """Leave out the chart's switches that no layer touches, and the exact widths of columns."""
    rows = [re.split(r"  +", line) for line in text.splitlines()]
    untouched = {"podAnnotations", "selector", "serviceType", "tests"}
    return [row for row in rows if not set(row[:1]) & untouched]


async def test_everything(hubctl):
    code, out, err = await hubctl("hr/web")
    found = known(out)
    assert [row for row in known(TABLE) if row not in found] == []
    assert (code, err) == (0, "")
    assert "hush" not in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("args", "rows"),
    [
        pytest.param(("hr/web", "replicas"), 1, id="one value"),
        pytest.param(("helmrelease", "web", "replicas"), 1, id="kind and name apart"),
        pytest.param(("hr/web", "podAnnotations"), 1, id="below a key"),
        pytest.param(("hr/web", r"podAnnotations.example\.com/note"), 1, id="a key with a dot"),
    ],
)
async def test_one_key(hubctl, args, rows):
    code, out, _ = await hubctl(*args)
    assert (code, len(out.splitlines())) == (0, 1 + rows)


@pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
async def test_as_a_document(hubctl, form, read):
    _, out, _ = await hubctl("hr/web", "message", "-o", form)
    layers = ["ConfigMap/common values.yaml", "GitRepository/config config/member1.yaml"]
    layers += ["GitRepository/charts ./web/member1.yaml", "GitRepository/charts ./web/values.yaml"]
    texts = ["common", "layer", "member1", "hello"]
    assert read(out) == [
        {
            "key": "message",
            "hidden": True,
            "setBy": "Secret/private values.yaml",
            "overrides": [{"value": text, "setBy": layer} for text, layer in zip(texts, layers, strict=True)],
        }
    ]


async def test_on_a_terminal(scene):
    """In 100 columns the last one continues below itself, and the header is bold."""
    main, terminal = pty.openpty()
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "COLUMNS"}}
    process = await asyncio.create_subprocess_exec(
        *command(scene, "hr/web", "replicas"), stdout=terminal, env={**environment, "TERM": "xterm"}
    )
    os.close(terminal)
    await process.wait()
    lines = os.read(main, 65536).decode().splitlines()
    os.close(main)
    assert lines == [
        "\x1b[1mKEY       VALUE  SET BY  OVERRIDES\x1b[0m",
        "replicas  3      values  2 (GitRepository/charts ./web/member1.yaml), 1 (GitRepository/charts",
        "                         ./web/values.yaml)",
    ]


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        pytest.param(("hr/web", "none"), 1, "✗ web has no value at 'none'", id="no such value"),
        pytest.param(("hr/none",), 1, "✗ HelmRelease object 'none' not found", id="no such release"),
        pytest.param(("gitrepo/config",), 2, "only a HelmRelease has values; say hr/NAME", id="another kind"),
        pytest.param(("hr",), 2, "which HelmRelease? Say hr/NAME", id="no name"),
        pytest.param(("hr/web", "a", "b"), 2, "one key at a time; what is 'b'?", id="two keys"),
    ],
)
async def test_what_cannot_be_told(hubctl, args, code, message):
    ended, out, err = await hubctl(*args)
    assert (ended, out) == (code, "")
    assert message in err


async def test_where_artifacts_cannot_be_reached(scene, hubctl):
    """From outside the cluster the chart's own values are missing, and it says so; layers in a source are an error."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{taken.getsockname()[1]}"
        code, _, err = await hubctl("hr/web", "--artifacts", nowhere)
        assert code == 1
        assert "values layer 1 (GitRepository/config config/member1.yaml): could not download artifact" in err
        await scene.step("annotate HelmRelease/web", {"hubctl.io/values-layers": None})
        code, out, err = await hubctl("hr/web", "--artifacts", nowhere)
    assert code == 0
    assert "⚠ the chart's own values are not shown: could not download artifact" in err
    assert ["replicas", "3", "values"] in known(out)


async def test_by_another_address(scene, hubctl):
    """A forwarded port is as good as the address in the artifact."""
    artifact = (await scene.get("HelmRelease/web"), await scene.get("GitRepository/charts"))[1]["status"]["artifact"]
    base = artifact["url"].removesuffix(f"/{artifact['path']}")
    code, out, err = await hubctl("hr/web", "image", "--artifacts", base.replace("127.0.0.1", "localhost"))
    assert (code, err) == (0, "")
    assert "GitRepository/charts ./web/values.yaml" in out
