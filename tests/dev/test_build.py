import asyncio
import os
import subprocess

import pytest

from hub.dev.build import BuildFailed, build, find_go
from hub.dev.pins import Tool
from hub.dev.progress import Progress

HELLO = Tool("hello", "family", "example.com/hello", "cmd/hello", (1, 0), (), 3, ("main.version={version}",))

go = find_go(os.environ.get("PATH", ""))
pytestmark = pytest.mark.skipif(go is None, reason="needs Go")


@pytest.fixture
def tools(tmp_path):
    """A family that pins one module, which is here instead of on a proxy."""
    folder = tmp_path / "tools" / "family"
    (folder / "hello/cmd/hello").mkdir(parents=True)
    (folder / "go.mod").write_text(
        "module hubctl.io/tools/family\n\ngo 1.21\n\nrequire (\n\texample.com/hello v1.2.3\n)\n\n"
        "replace example.com/hello => ./hello\n\n"
    )
    (folder / "hello/go.mod").write_text("module example.com/hello\n\ngo 1.21\n")
    (folder / "hello/cmd/hello/main.go").write_text(
        "package main\n\nvar version string\n\nfunc main() { println(version) }\n"
    )
    return tmp_path / "tools"


@pytest.fixture
def lines():
    return []


async def make(tools, target, lines):
    await build(HELLO, go=go, tools=tools, target=target, progress=Progress(lines.append))


async def test_builds_once_also_when_two_want_it(tools, tmp_path, lines):
    target = tmp_path / "cache/bin/hello"
    await asyncio.gather(make(tools, target, lines), make(tools, target, lines))
    program = await asyncio.create_subprocess_exec(target, stderr=subprocess.PIPE)
    assert await program.communicate() == (None, b"v1.2.3\n")
    assert lines[0] == "► building hello v1.2.3 with Go, once (usually 3 s)"
    assert lines[1] == "► another process builds family tools, waiting for it"
    assert lines[2].startswith("✔ built hello v1.2.3 in ")
    assert len(lines) == 3
    assert sorted(path.name for path in target.parent.iterdir()) == [".lock", "hello"]


async def test_the_users_go_settings_do_not_matter(tools, tmp_path, lines, monkeypatch):
    monkeypatch.setenv("GOFLAGS", "-mod=vendor")
    monkeypatch.setenv("GOWORK", str(tmp_path / "go.work"))
    await make(tools, tmp_path / "hello", lines)


async def test_an_installation_that_cannot_be_written(tools, tmp_path, lines):
    before = {path: path.read_bytes() for path in tools.rglob("go.*")}
    await make(tools, tmp_path / "hello", lines)
    assert {path: path.read_bytes() for path in tools.rglob("go.*")} == before


async def test_a_failed_build_tells_what_go_said_and_leaves_nothing(tools, tmp_path, lines):
    (tools / "family/hello/cmd/hello/main.go").write_text("package main\n\nfunc main() { broken }\n")
    target = tmp_path / "cache/hello"
    with pytest.raises(BuildFailed, match=r"(?s)go could not build hello .*undefined: broken"):
        await make(tools, target, lines)
    assert sorted(path.name for path in target.parent.iterdir()) == [".lock"]


async def test_cancelling_ends_go_and_gives_the_lock_back(tools, tmp_path, lines):
    target = tmp_path / "cache/hello"
    building = asyncio.create_task(make(tools, target, lines))
    async with asyncio.timeout(10):
        while not lines:  # noqa: ASYNC110  # the progress is a plain function
            await asyncio.sleep(0.01)
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    await make(tools, target, lines)
    assert target.exists()
