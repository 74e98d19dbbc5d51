"""The cache on disk: whatever instant a kill comes at, the next fetch works."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time

import pytest

from hub.content import gitbare, gitcache
from hub.content.git import GitFailed
from hub.content.gitbare import Bare
from hub.content.gitcache import GitCache, Remote
from hub.content.gittree import GitTrees, Wanted
from hub.content.refs import GitRef
from hub.dev.gitserver import run_git

MASTER = GitRef(branch="master")
KILLED = [
    sys.executable,
    "-c",
    """
import asyncio, sys
from pathlib import Path
from hub.content.gitcache import GitCache, Remote
from hub.content.refs import GitRef
async def main():
    cache, at = GitCache(Path(sys.argv[1])), Remote.of(sys.argv[2], None, 20.0)
    print("begun", flush=True)
    await cache.fetch(at, await cache.resolve(at, GitRef(branch="master")))
asyncio.run(main())
""",
]


@pytest.fixture
async def repo(git_server):
    await git_server.create("app")
    for i in range(3):
        await git_server.commit("app", {f"f{i}.txt": f"{i}" * 1000})
    return git_server


def remote(server):
    return Remote.of(server.url("app"), None, 20.0)


async def poll(cache, at, tmp_path):
    commit = await cache.fetch(at, await cache.resolve(at, MASTER))
    await GitTrees(cache).archive(at, commit, tmp_path / "a.tar.gz", Wanted())
    return commit.id


class KilledError(BaseException):
    """The process ends here: nothing that follows is done, not even what cleans up."""


STEPS = ["adopt", "rename", "keep"]


@pytest.mark.parametrize("warm", [False, True], ids=["the first fetch", "a later one"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_kill_between_any_two_steps(*, cache, repo, tmp_path, monkeypatch, step, warm):
    at = remote(repo)
    if warm:
        await poll(cache, at, tmp_path)
        newest = await repo.commit("app", {"new.txt": "n"})
    monkeypatch.setattr(gitbare.shutil, "rmtree", lambda *_args, **_more: None)

    def die(*_args, **_more):
        raise KilledError

    if step == "rename":  # the pack is there, its index is not
        renamed = gitbare.Path.rename

        def rename(path, target):
            if path.suffix == ".idx":
                raise KilledError
            return renamed(path, target)

        monkeypatch.setattr(gitbare.Path, "rename", rename)
    else:
        monkeypatch.setattr(Bare, step, die)
    with pytest.raises(KilledError):
        await poll(cache, at, tmp_path)
    monkeypatch.undo()
    again = GitCache(tmp_path / "cache")
    await again.prepare()
    found = await poll(again, at, tmp_path)
    assert not warm or found == newest
    assert list((tmp_path / "cache" / "tmp").iterdir()) == []
    newer = await repo.commit("app", {"new.txt": "n2"})
    assert await poll(again, at, tmp_path) == newer
    again.close()


async def test_kills_at_any_instant_of_a_fetch(repo, tmp_path):
    """The real thing: git is killed with its children, nothing is cleaned up, and the next fetch has to work."""
    at = remote(repo)
    first = GitCache(tmp_path / "cache")
    await first.prepare()
    begun = time.monotonic()
    await poll(first, at, tmp_path)
    took = time.monotonic() - begun
    first.close()
    for number in range(6):
        newest = await repo.commit("app", {f"f{number % 3}.txt": os.urandom(500).hex()})
        process = await asyncio.create_subprocess_exec(
            *KILLED, str(tmp_path / "cache"), at.url, start_new_session=True,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await process.stdout.readline()  # it has begun
        try:
            async with asyncio.timeout(took * number / 5):
                await process.wait()
        except TimeoutError:
            os.killpg(process.pid, 9)
            await process.wait()
        again = GitCache(tmp_path / "cache")
        await again.prepare()
        assert await poll(again, at, tmp_path) == newest
        again.close()


async def test_many_packs_become_one_and_old_references_go(cache, repo, tmp_path, monkeypatch):
    monkeypatch.setattr(gitcache, "_MANY_PACKS", 3)
    at = remote(repo)
    bare = cache.bare(at)
    await run_git("branch", "old", "master~1", cwd=repo.root / "app.git")
    await cache.fetch(at, await cache.resolve(at, GitRef(branch="old")))
    (old,) = (bare.path / "refs/hub").iterdir()
    os.utime(old, (1, 1))
    for number in range(4):
        newest = await repo.commit("app", {"f0.txt": f"{number}"})
        assert await poll(cache, at, tmp_path) == newest
    assert bare.packs() < 4
    assert not old.exists()
    assert (await run_git("fsck", cwd=bare.path)).strip() == ""
    newest = await repo.commit("app", {"f0.txt": "after"})
    assert await poll(cache, at, tmp_path) == newest


async def test_a_fetch_moves_only_what_is_new(cache, repo, tmp_path):
    big = os.urandom(300_000)
    await repo.commit("app", {"big.bin": big})
    at = remote(repo)
    await poll(cache, at, tmp_path)
    bare = cache.bare(at)
    before = gitbare.size_of(bare.path)
    assert before > 300_000
    await repo.commit("app", {"small.txt": "s"})
    await poll(cache, at, tmp_path)
    assert gitbare.size_of(bare.path) - before < 10_000


async def test_damage_that_shows_when_files_are_read_mends_with_the_next_try(cache, repo, tmp_path):
    at = remote(repo)
    commit = await cache.fetch(at, await cache.resolve(at, MASTER))
    shutil.rmtree(cache.bare(at).path / "objects" / "pack")
    with pytest.raises(GitFailed, match="is damaged, and fetched again"):
        await GitTrees(cache).archive(at, commit, tmp_path / "x.tar.gz", Wanted())
    assert await poll(cache, at, tmp_path) == commit.id
