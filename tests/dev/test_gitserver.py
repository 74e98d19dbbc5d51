import asyncio

import aiohttp
import pytest

from hub.dev.gitserver import Fault, commit_and_push, run_git
from hub.errors import ToolFailed


@pytest.fixture
def chart(tmp_path):
    folder = tmp_path / "source"
    (folder / "chart").mkdir(parents=True)
    (folder / "chart/Chart.yaml").write_text("name: hello\n")
    return folder


async def clone(url, target, *flags):
    await run_git("clone", "--quiet", *flags, url, str(target))
    return target


async def test_clone_and_push_over_http(git_server, chart, tmp_path):
    first = await git_server.create("hello", chart)
    work = await clone(git_server.url("hello"), tmp_path / "work")
    assert (work / "chart/Chart.yaml").read_text() == "name: hello\n"

    second = await commit_and_push(work, {"values.yaml": "a: 1\n", "chart/Chart.yaml": None}, tag="v1")

    other = await clone(git_server.url("hello"), tmp_path / "other", "--depth=1", "--branch=v1")
    assert (await run_git("rev-parse", "HEAD", cwd=other)).strip() == second != first
    assert sorted(path.name for path in other.iterdir()) == [".git", "values.yaml"]


async def test_commit_without_a_checkout(git_server, chart, tmp_path):
    first = await git_server.create("hello", chart, branch="main")
    second = await git_server.commit("hello", {"link": tmp_path / "elsewhere", "raw": b"\x00"}, branch="main")
    third = await git_server.commit("hello", {"only": "there"}, branch="feature", tag="2.0.0")
    listed = await run_git("ls-remote", git_server.url("hello"))
    refs = dict(reversed(line.split("\t")) for line in listed.splitlines())
    assert refs == {
        "HEAD": second,
        "refs/heads/main": second,
        "refs/heads/feature": third,
        "refs/tags/2.0.0": third,
    }
    work = await clone(git_server.url("hello"), tmp_path / "work")
    assert (work / "link").readlink() == tmp_path / "elsewhere"
    assert (await run_git("rev-parse", "HEAD^", cwd=work)).strip() == first


async def test_first_commit_of_an_empty_repository(git_server, tmp_path):
    assert await git_server.create("empty") == ""
    commit = await git_server.commit("empty", {"a": "1"})
    assert commit in await run_git("ls-remote", git_server.url("empty"))


async def test_a_push_larger_than_one_buffer(git_server, chart, tmp_path):
    await git_server.create("hello", chart)
    work = await clone(git_server.url("hello"), tmp_path / "work")
    content = bytes(index * 7919 % 251 for index in range(3_000_000))
    await commit_and_push(work, {"large": content})
    assert (await clone(git_server.url("hello"), tmp_path / "other") / "large").read_bytes() == content


async def test_password(git_server, chart, tmp_path):
    await git_server.create("hello", chart)
    git_server.username, git_server.password = "me", "secret"
    url = git_server.url("hello")
    for refused in (url, url.replace("http://", "http://me:wrong@")):
        with pytest.raises(ToolFailed):
            await run_git("ls-remote", refused)
    assert "refs/heads/master" in await run_git("ls-remote", url.replace("http://", "http://me:secret@"))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        pytest.param(Fault.ERROR, "500", id="an error"),
        pytest.param(Fault.NOT_GIT, "not valid", id="a web server"),
        pytest.param(Fault.CUT, "transfer closed|disconnect|curl", id="a torn connection"),
    ],
)
async def test_faults(git_server, chart, fault, message):
    await git_server.create("hello", chart)
    git_server.faults["hello"] = fault
    with pytest.raises(ToolFailed, match=message):
        await run_git("ls-remote", git_server.url("hello"))
    del git_server.faults["hello"]
    await run_git("ls-remote", git_server.url("hello"))


async def test_a_server_that_hangs(git_server, chart):
    await git_server.create("hello", chart)
    git_server.faults["hello"] = Fault.HANG
    async with aiohttp.ClientSession() as session:
        with pytest.raises(TimeoutError):
            await session.get(git_server.url("hello") + "/info/refs", timeout=aiohttp.ClientTimeout(total=0.2))


async def test_a_repository_that_is_not_there(git_server):
    with pytest.raises(ToolFailed, match="not found"):
        await run_git("ls-remote", git_server.url("nowhere"))


async def test_the_port_stays_when_it_is_started_again(git_server, chart):
    await git_server.create("hello", chart)
    url = git_server.url("hello")
    await git_server.stop()
    with pytest.raises(ToolFailed):
        await run_git("ls-remote", url)
    await git_server.start()
    assert git_server.url("hello") == url
    await asyncio.gather(*(run_git("ls-remote", url) for _ in range(3)))


@pytest.mark.parametrize("name", [".", "..", "a/b", "", "-x"])
async def test_names_that_would_leave_the_folder(git_server, name):
    with pytest.raises(ValueError, match="cannot be the name"):
        await git_server.create(name)
    async with aiohttp.ClientSession() as session, session.get(f"{git_server.address}/%2e%2e/etc") as response:
        assert response.status == 404
