"""Artifacts: a folder packed, pushed to a real registry and pulled again is the same folder."""

import json
import tarfile

import pytest

from hub.cli.main import main
from hub.dev.registry import LocalRegistry

SOURCE = ["--source", "https://git.example.com/x.git", "--revision", "main@sha1:" + "ab" * 20]


@pytest.fixture
def folder(tmp_path):
    files = {
        "deploy/app.yaml": "kind: ConfigMap\n",
        "deploy/run.sh": "#!/bin/sh\n",
        "docs/readme.md": "words\n",
        ".sourceignore": "*.tmp\n",
        "deploy/x.tmp": "left out",
        ".git/config": "left out",
    }
    for name, text in files.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(text)
    (tmp_path / "in/deploy/run.sh").chmod(0o755)
    (tmp_path / "in/deploy/link").symlink_to("app.yaml")
    return tmp_path / "in"


def test_build(folder, tmp_path, capsys):
    target = tmp_path / "out.tgz"
    args = ["build", "artifact", "--path", str(folder), "--output", str(target), "--ignore-paths", "docs/"]
    assert main(args) == 0
    assert "✔ artifact created at" in capsys.readouterr().err
    with tarfile.open(target) as tar:
        found = {one.name: one.mode & 0o777 for one in tar if one.isfile()}
    assert set(found) == {".sourceignore", "deploy/app.yaml", "deploy/run.sh"}
    assert (found["deploy/run.sh"], found["deploy/app.yaml"]) == (0o755, 0o644)
    first = target.read_bytes()
    assert main(args) == 0
    assert target.read_bytes() == first


@pytest.mark.parametrize(
    ("args", "says"),
    [
        pytest.param(["build", "artifact", "--path", "/none"], "/none is not a folder", id="no folder"),
        pytest.param(
            ["push", "artifact", "oci://x/y:1", "--path", "/none", *SOURCE], "/none is not a folder", id="push"
        ),
        pytest.param(["push", "artifact", "x/y:1", "--path", ".", *SOURCE], "does not start with oci://", id="no oci"),
        pytest.param(
            ["push", "artifact", "oci://x/y:1", "--path", ".", *SOURCE, "-a", "x"],
            "is no annotation of the form KEY=VALUE",
            id="annotation",
        ),
        pytest.param(["pull", "artifact", "oci://x/y:1", "-o", "."], "nothing there is overwritten", id="not empty"),
        pytest.param(
            ["pull", "artifact", "oci://127.0.0.1:1/y:1", "-o", "new", "--insecure"], "127.0.0.1:1", id="no registry"
        ),
    ],
)
def test_what_cannot_be_is_one_line(args, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(args) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("✗ ")
    assert says in last


async def test_push_and_pull(folder, tmp_path, hubctl_alone):
    async with LocalRegistry(tmp_path / "registry") as registry:
        url = f"oci://{registry.repository('app/config')}:v1"
        pushed = await hubctl_alone(
            "push", "artifact", url, "--path", str(folder), *SOURCE, "-a", "team=a", "--insecure"
        )
        assert pushed.code == 0, pushed.err
        digest = pushed.err.rpartition("@")[2].strip()
        pulled = await hubctl_alone("pull", "artifact", url, "--output", str(tmp_path / "out"), "--insecure")
        assert pulled.code == 0, pulled.err
        assert digest in pulled.err
        manifest = await registry_manifest(registry, "app/config", "v1")
        missing = await hubctl_alone("pull", "artifact", f"{url}9", "--output", str(tmp_path / "no"), "--insecure")
    out = tmp_path / "out"
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == {
        ".sourceignore",
        "deploy/app.yaml",
        "deploy/run.sh",
        "docs/readme.md",
    }
    assert manifest["annotations"]["org.opencontainers.image.revision"] == SOURCE[3]
    assert manifest["annotations"]["team"] == "a"
    assert manifest["layers"][0]["mediaType"] == "application/vnd.cncf.flux.content.v1.tar+gzip"
    assert (missing.code, missing.err.splitlines()[-1][0]) == (1, "✗")


async def registry_manifest(registry, name, tag):
    import aiohttp

    from hub.content.oci.client import Registries
    from hub.content.oci.reference import parse_repository

    async with aiohttp.ClientSession() as session:
        opened = Registries(lambda: session).open(parse_repository(registry.repository(name)), insecure=True)
        return json.loads((await opened.manifest(tag)).data)
