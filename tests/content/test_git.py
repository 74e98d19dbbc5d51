"""On a real git server over smart HTTP."""

from __future__ import annotations

import asyncio
import base64
import os
import tarfile
import time
from pathlib import Path

import pytest
from aiohttp import web

from hub.content import git as git_module
from hub.content.git import GitFailed
from hub.content.gitauth import GitAuth
from hub.content.gitcache import GitCache, Remote
from hub.content.gittree import GitTrees, Wanted
from hub.content.refs import GitRef
from hub.dev.gitserver import Fault, GitServer, run_git

MASTER = GitRef(branch="master")
PASSWORD = "s3cret/p@ss:w%rd"


@pytest.fixture
async def repo(git_server):
    """A repository with a file, and the hash of its commit."""
    await git_server.create("app")
    git_server.first = await git_server.commit("app", {"a.txt": "1", "dir/b.txt": "2"}, message="First\n\nBody")
    git_server.requests.clear()
    return git_server


def remote(server: GitServer, name: str = "app", auth: GitAuth | None = None, timeout: float = 20.0) -> Remote:
    return Remote.of(server.url(name), auth, timeout)


async def files(cache, at, commit, tmp_path, **more) -> dict[str, bytes]:
    target = tmp_path / "archive.tar.gz"
    await GitTrees(cache).archive(at, commit, target, Wanted(**more))
    with tarfile.open(target) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}


async def test_a_commit_becomes_an_archive(cache, repo, tmp_path):
    at = remote(repo)
    head = await cache.resolve(at, MASTER)
    assert head.revision == f"master@sha1:{repo.first}"
    commit = await cache.fetch(at, head)
    assert (commit.id, commit.message) == (repo.first, "First\n\nBody")
    assert abs(commit.time - time.time()) < 600
    assert await files(cache, at, commit, tmp_path) == {"a.txt": b"1", "dir/b.txt": b"2"}


async def test_a_look_with_nothing_new_is_one_request_pair(cache, repo):
    at = remote(repo)
    await cache.fetch(at, await cache.resolve(at, MASTER))
    repo.requests.clear()
    head = await cache.resolve(at, MASTER)
    await cache.fetch(at, head)
    assert repo.requests == [
        "GET /app.git/info/refs?service=git-upload-pack",
        "POST /app.git/git-upload-pack",
    ]


async def test_new_commits_arrive_without_history(cache, repo, tmp_path):
    at = remote(repo)
    await cache.fetch(at, await cache.resolve(at, MASTER))
    for i in range(3):
        newest = await repo.commit("app", {"a.txt": f"change {i}"})
    head = await cache.resolve(at, MASTER)
    assert head.commit == newest
    commit = await cache.fetch(at, head)
    assert (await files(cache, at, commit, tmp_path))["a.txt"] == b"change 2"
    assert await commits_in(cache, at) == {repo.first, newest}


async def commits_in(cache, at) -> set[str]:
    listed = await run_git("cat-file", "--batch-all-objects", "--batch-check", cwd=cache.bare(at).path)
    return {line.split()[0] for line in listed.splitlines() if " commit " in line}


async def test_callers_at_once_share_the_look_and_the_fetch(cache, repo):
    at = remote(repo)

    async def poll():
        return await cache.fetch(at, await cache.resolve(at, MASTER))

    commits = await asyncio.gather(*(poll() for _ in range(20)))
    assert {commit.id for commit in commits} == {repo.first}
    assert len(repo.requests) == 5  # two to look, three to fetch


@pytest.mark.parametrize(
    "kind", ["branch", "slash", "light", "annotated", "semver", "name", "commit", "commit of a branch", "old commit"]
)
async def test_every_kind_of_reference(cache, repo, kind):
    at = remote(repo)
    second = await repo.commit("app", {"a.txt": "2"}, tag="v1.2.0")
    third = await repo.commit("app", {"a.txt": "3"}, branch="feature/x")
    bare = repo.root / "app.git"
    await run_git("tag", "-a", "-m", "note", "v1.1.0", repo.first, cwd=bare)
    await run_git("update-ref", "refs/pull/1/head", third, cwd=bare)
    ref, want = {
        "branch": (MASTER, f"master@sha1:{second}"),
        "slash": (GitRef(branch="feature/x"), f"feature/x@sha1:{third}"),
        "light": (GitRef(tag="v1.2.0"), f"v1.2.0@sha1:{second}"),
        "annotated": (GitRef(tag="v1.1.0"), f"v1.1.0@sha1:{repo.first}"),
        "semver": (GitRef(semver="~1.1"), f"v1.1.0@sha1:{repo.first}"),
        "name": (GitRef(name="refs/pull/1/head"), f"refs/pull/1/head@sha1:{third}"),
        "commit": (GitRef(commit=third), f"sha1:{third}"),
        "commit of a branch": (GitRef(commit=second, branch="master"), f"master@sha1:{second}"),
        "old commit": (GitRef(commit=repo.first), f"sha1:{repo.first}"),
    }[kind]
    head = await cache.resolve(at, ref)
    assert head.revision == want
    assert (await cache.fetch(at, head)).id == want.rpartition(":")[2]


async def test_an_old_commit_from_a_server_that_only_gives_branches(cache, repo):
    await repo.commit("app", {"a.txt": "2"})
    bare = repo.root / "app.git"
    await run_git("config", "uploadpack.allowAnySHA1InWant", "false", cwd=bare)
    await run_git("config", "protocol.version", "0", cwd=bare)
    at = remote(repo)
    head = await cache.resolve(at, GitRef(commit=repo.first))
    assert (await cache.fetch(at, head)).id == repo.first


async def test_tags_that_tie_are_settled_by_the_newest_commit(cache, repo):
    bare = repo.root / "app.git"
    await run_git("tag", "1.0.0+old", repo.first, cwd=bare)
    await asyncio.sleep(1.1 - time.time() % 1)  # commit times have whole seconds
    new = await repo.commit("app", {"a.txt": "2"}, tag="1.0.0+a-new")
    head = await cache.resolve(remote(repo), GitRef(semver="1.x"))
    assert head.revision == f"1.0.0+a-new@sha1:{new}"


async def test_only_regular_files_that_are_not_ignored(cache, git_server, tmp_path):
    await git_server.create("app")
    content = {
        "run.sh": "x",
        "logo.png": "binary",
        "link": Path("/etc/passwd"),
        "dir/link": Path("../run.sh"),
        "sub/.sourceignore": "*.md\n",
        "sub/a.md": "",
        "b.md": "",
        "é ü.txt": "odd name",
        os.fsdecode(b"\xff.txt"): "not UTF-8",
        "big.bin": os.urandom(300_000),
        ".gitattributes": "*.txt export-ignore text eol=crlf\n",
        "crlf.txt": "a\nb\n",
    }
    newest = await git_server.commit("app", content)
    at = remote(git_server)
    commit = await cache.fetch(at, await cache.resolve(at, MASTER))
    assert commit.id == newest
    found = await files(cache, at, commit, tmp_path)
    assert set(found) == {
        "run.sh",
        "logo.png",
        "sub/.sourceignore",
        "b.md",
        "é ü.txt",
        os.fsdecode(b"\xff.txt"),
        "big.bin",
        "crlf.txt",
    }
    assert found["big.bin"] == content["big.bin"]
    assert found["crlf.txt"] == b"a\nb\n"
    found = await files(cache, at, commit, tmp_path, ignore="*\n!/b.md")
    assert set(found) == {"b.md"}


async def test_the_same_commit_gives_the_same_bytes(cache, repo, tmp_path):
    at = remote(repo)
    commit = await cache.fetch(at, await cache.resolve(at, MASTER))
    for name in ("1", "2"):
        await GitTrees(cache).archive(at, commit, tmp_path / name, Wanted())
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


@pytest.mark.parametrize(
    "auth",
    [
        pytest.param(GitAuth("user", PASSWORD), id="from a Secret"),
        pytest.param(None, id="from the URL"),
    ],
)
async def test_credentials_work_and_are_nowhere_to_be_seen(cache, repo, tmp_path, auth, monkeypatch):
    repo.username, repo.password = "user", PASSWORD
    at = remote(repo, auth=auth)
    if auth is None:
        at = Remote.of(repo.url("app").replace("://", "://user:s3cret%2Fp%40ss%3Aw%25rd@"), None, 20.0)
    assert at.url == repo.url("app")
    seen = []
    start = git_module._Run._start

    def watch(run):
        process = start(run)
        seen.append(Path(f"/proc/{process.pid}/cmdline").read_bytes())
        return process

    monkeypatch.setattr(git_module._Run, "_start", watch)
    commit = await cache.fetch(at, await cache.resolve(at, MASTER))
    assert commit.id == repo.first
    secrets = [PASSWORD.encode(), base64.b64encode(f"user:{PASSWORD}".encode()), b"s3cret%2F"]
    assert seen
    assert not any(secret in line for secret in secrets for line in seen)
    on_disk = [path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert not any(secret in data for secret in secrets for data in on_disk)
    assert PASSWORD not in repr(at)


async def test_wrong_password_and_no_password(cache, repo):
    repo.username, repo.password = "user", "right"
    with pytest.raises(GitFailed) as caught:
        await cache.resolve(remote(repo, auth=GitAuth("user", PASSWORD)), MASTER)
    message = caught.value.message
    assert message.startswith(
        f"failed to checkout and determine revision: unable to list remote for '{repo.url('app')}': "
        "authentication required: the server refused the username and password of the Secret"
    )
    assert PASSWORD not in message
    with pytest.raises(GitFailed, match=r"name a Secret with 'username' and 'password' in spec\.secretRef"):
        await cache.resolve(remote(repo), MASTER)
    repo.password = PASSWORD
    assert await cache.resolve(remote(repo, auth=GitAuth("user", PASSWORD)), MASTER)


async def test_what_another_caller_fetched_needs_the_own_credentials(cache, repo):
    repo.username, repo.password = "user", "right"
    good = remote(repo, auth=GitAuth("user", "right"))
    await cache.fetch(good, await cache.resolve(good, MASTER))
    with pytest.raises(GitFailed, match="authentication"):
        await cache.resolve(remote(repo), GitRef(commit=repo.first))


@pytest.mark.parametrize(
    ("fault", "ref", "name", "message"),
    [
        pytest.param(
            Fault.NONE,
            GitRef(branch="nope"),
            "app",
            "unable to clone '{url}': couldn't find remote ref 'refs/heads/nope'; branches there: master",
            id="branch missing",
        ),
        pytest.param(
            Fault.NONE, MASTER, "other", "unable to list remote for '{url}': repository not found", id="no repo"
        ),
        pytest.param(Fault.NOT_GIT, MASTER, "app", "the server does not answer as a git server", id="not a git server"),
        pytest.param(Fault.ERROR, MASTER, "app", "error: 500", id="server error"),
        pytest.param(Fault.CUT, MASTER, "app", "unable to list remote for '{url}': ", id="torn answer"),
        pytest.param(
            Fault.HANG,
            MASTER,
            "app",
            "unable to list remote for '{url}': no answer within 0.5s; raise spec.timeout",
            id="no answer",
        ),
        pytest.param(Fault.NONE, GitRef(semver="what"), "app", "improper constraint", id="bad range"),
        pytest.param(Fault.NONE, GitRef(semver=">9"), "app", "no match found for semver: >9", id="no version"),
        pytest.param(Fault.NONE, GitRef(commit="f" * 40), "app", "unable to clone '{url}': ", id="commit missing"),
    ],
)
async def test_failures(*, cache, repo, fault, ref, name, message):
    repo.faults["app"] = fault
    at = remote(repo, name, timeout=0.5 if fault is Fault.HANG else 20.0)
    with pytest.raises(GitFailed) as caught:
        await cache.fetch(at, await cache.resolve(at, ref))
    assert caught.value.reason == "GitOperationFailed"
    assert caught.value.message.startswith("failed to checkout and determine revision: ")
    assert message.format(url=at.url) in caught.value.message
    repo.faults.clear()
    assert await cache.resolve(remote(repo), MASTER)


async def test_an_empty_repository(cache, git_server):
    await git_server.create("app")
    with pytest.raises(GitFailed) as caught:
        await cache.resolve(remote(git_server), MASTER)
    assert (caught.value.reason, caught.value.message) == ("EmptyGitRepository", "git repository is empty")


async def test_nobody_listens(cache, git_server):
    url = git_server.url("app")
    await git_server.stop()
    with pytest.raises(GitFailed, match="does not accept connections"):
        await cache.resolve(Remote.of(url, None, 20.0), MASTER)
    await git_server.start()


def processes_of(pids: list[int]) -> list[int]:
    """Members of process groups that still live, zombies aside."""
    alive = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            except OSError:
                continue
            if int(group) in pids and state != "Z":
                alive.append(int(entry.name))
    return alive


async def test_a_cancelled_run_leaves_no_process_behind(cache, repo, monkeypatch):
    repo.faults["app"] = Fault.HANG
    pids = []
    start = git_module._Run._start

    def watch(run):
        process = start(run)
        pids.append(process.pid)
        return process

    monkeypatch.setattr(git_module._Run, "_start", watch)
    task = asyncio.create_task(cache.resolve(remote(repo), MASTER))
    async with asyncio.timeout(10):
        while not repo.requests:  # noqa: ASYNC110 - the server has no event to wait for
            await asyncio.sleep(0.01)
    assert processes_of(pids)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5):
        while processes_of(pids):  # noqa: ASYNC110 - a killed process takes a moment to be gone
            await asyncio.sleep(0.01)


async def test_a_redirect_to_another_host_does_not_get_the_credentials(cache, repo, tmp_path):
    seen = []

    async def thief(request):
        seen.append(dict(request.headers))
        return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="mine"'})

    async def mover(request):
        if "Authorization" not in request.headers:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="git"'})
        return web.Response(status=302, headers={"Location": f"http://localhost:{port}{request.path_qs}"})

    runners = []
    ports = []
    for handler in (thief, mover):
        runner = web.ServerRunner(web.Server(handler))
        await runner.setup()
        await web.TCPSite(runner, "localhost" if handler is thief else "127.0.0.1", 0).start()
        runners.append(runner)
        ports.append(runner.addresses[0][1])
    port, own = ports
    for auth in (GitAuth("user", PASSWORD), GitAuth(bearer_token=PASSWORD)):
        with pytest.raises(GitFailed) as caught:
            await cache.resolve(Remote.of(f"http://127.0.0.1:{own}/app.git", auth, 20.0), MASTER)
        assert PASSWORD not in caught.value.message
    assert all("Authorization" not in headers for headers in seen)
    assert seen  # the redirect itself was followed, without them
    for runner in runners:
        await runner.cleanup()


async def test_a_bearer_token_is_sent(cache, repo):
    seen = []

    async def server(request):
        seen.append(request.headers.get("Authorization"))
        return web.Response(status=403)

    runner = web.ServerRunner(web.Server(server))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    at = Remote.of(f"http://127.0.0.1:{runner.addresses[0][1]}/a.git", GitAuth("u", "p", bearer_token="tok"), 20.0)
    with pytest.raises(GitFailed, match="authentication"):
        await cache.resolve(at, MASTER)
    assert seen == ["Bearer tok"]
    await runner.cleanup()


async def test_a_damaged_or_half_made_cache_mends_itself(cache, repo, tmp_path):
    at = remote(repo)
    await cache.fetch(at, await cache.resolve(at, MASTER))
    folder = cache.bare(at).path
    for pack in folder.glob("objects/pack/*"):
        pack.chmod(0o600)
        pack.write_bytes(b"damaged")
    (folder / "shallow.lock").touch()
    (folder / "config").write_text("")
    again = GitCache(tmp_path / "cache")
    await again.prepare()
    newest = await repo.commit("app", {"a.txt": "9"})
    commit = await again.fetch(at, await again.resolve(at, MASTER))
    assert commit.id == newest
    assert (await files(again, at, commit, tmp_path))["a.txt"] == b"9"
    again.close()
