"""Servers that misbehave, and how often they are asked at all."""

from __future__ import annotations

import contextlib
import os

import pytest
from aiohttp import web
from git_kit import Authority, TlsGitServer

from hub.content.git import GitFailed
from hub.content.gitauth import GitAuth
from hub.content.gitcache import GitCache, Remote
from hub.content.refs import GitRef
from hub.dev.gitserver import GitServer

MASTER = GitRef(branch="master")


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def cache(tmp_path, clock):
    made = GitCache(tmp_path / "cache", clock=clock)
    await made.prepare()
    yield made
    made.close()


@pytest.fixture
async def repo(git_server):
    await git_server.create("app")
    git_server.first = await git_server.commit("app", {"a.txt": "1"})
    git_server.requests.clear()
    return git_server


def remote(server, auth=None, timeout=20.0):
    return Remote.of(server.url("app"), auth, timeout)


async def test_an_answer_serves_all_who_ask_the_same_for_as_long_as_they_say(cache, repo, clock):
    at = remote(repo)
    for _ in range(100):
        await cache.resolve(at, MASTER, max_age=60)
    assert len(repo.requests) == 2  # one ls-remote
    clock.now += 61
    await cache.resolve(at, MASTER, max_age=60)
    assert len(repo.requests) == 4
    for other in (
        (at, GitRef(branch="master"), 0.0),  # asks anew
        (at, GitRef(semver="*"), 60.0),  # another reference
        (remote(repo, GitAuth("u", "p")), MASTER, 60.0),  # other credentials
    ):
        before = len(repo.requests)
        with contextlib.suppress(GitFailed):
            await cache.resolve(*other)
        assert len(repo.requests) > before


async def test_those_who_share_a_repository_learn_at_once_that_it_moved(cache, repo):
    told = []
    cache.subscribe(told.append)
    at = remote(repo)
    await cache.resolve(at, MASTER)
    await cache.resolve(at, MASTER)
    assert told == []
    second = await repo.commit("app", {"a.txt": "2"})
    assert (await cache.resolve(at, MASTER)).commit == second
    assert told == [at.url]
    assert (await cache.resolve(at, MASTER, max_age=60)).commit == second


async def test_a_failed_look_is_not_remembered(cache, repo):
    at = remote(repo)
    await cache.resolve(at, MASTER)
    await repo.stop()
    with pytest.raises(GitFailed):
        await cache.resolve(at, MASTER)
    await repo.start()
    assert await cache.resolve(at, MASTER)


async def test_a_fetch_that_brings_too_much_is_stopped(tmp_path):
    """The server sends slowly and without end; what came is thrown away."""
    cache = GitCache(tmp_path / "cache", max_size=1 << 20)
    await cache.prepare()
    async with GitServer(tmp_path / "git") as server:
        await server.create("app")
        await server.commit("app", {f"{i}.bin": os.urandom(1 << 20) for i in range(4)})
        at = remote(server)
        head = await cache.resolve(at, MASTER)
        with pytest.raises(GitFailed, match=r"it is larger than 1 MiB; raise the hub's --git-max-size"):
            await cache.fetch(at, head)
    assert not any((tmp_path / "cache" / "tmp").iterdir())
    assert not cache.bare(at).path.exists()
    cache.close()


async def test_a_server_that_stalls_after_the_headers(cache, repo):
    async def stall(request, _path):
        response = web.StreamResponse(headers={"Content-Type": "application/x-git-upload-pack-advertisement"})
        await response.prepare(request)
        await response.write(b"001e# service=git-upload-pack\n0000")
        await repo._released.wait()
        return response

    repo._backend = stall
    with pytest.raises(GitFailed, match=r"no answer within 0\.5s; raise spec\.timeout, or look at the server"):
        await cache.resolve(remote(repo, timeout=0.5), MASTER)


@pytest.mark.parametrize("share", [0.3, 0.9], ids=["early", "late"])
async def test_a_pack_that_is_cut_short_leaves_nothing_behind(cache, repo, tmp_path, share):
    await repo.commit("app", {"big.bin": os.urandom(200_000)})
    at = remote(repo)
    whole = repo._backend

    async def cut(request, path):
        if request.method == "GET" or b"command=fetch" not in await request.read():
            return await whole(request, path)
        response = web.StreamResponse(headers={"Content-Type": "application/x-git-upload-pack-result"})
        response.headers["Content-Length"] = "200300"
        await response.prepare(request)
        await response.write(b"000dpackfile\n" + b"%04x\x01PACK\0\0\0\x02\0\0\0\x04" % (17 + 0))
        left = int(200_000 * share)
        while left > 0:
            await response.write(b"%04x\x01" % (5 + 1000) + os.urandom(1000))
            left -= 1000
        request.transport.abort()
        return response

    head = await cache.resolve(at, MASTER)
    repo._backend = cut
    with pytest.raises(GitFailed) as caught:
        await cache.fetch(at, head)
    assert "unable to clone" in caught.value.message
    assert not any((tmp_path / "cache" / "tmp").iterdir())
    del repo._backend
    assert (await cache.fetch(at, head)).id == head.commit


@pytest.fixture(scope="module")
def authorities():
    return Authority(), Authority("Another CA")


@pytest.mark.parametrize(
    ("certificate", "ca", "message"),
    [
        pytest.param({"days": -2}, 0, "the server's certificate has expired: it has to be renewed", id="expired"),
        pytest.param({}, None, "the server's certificate is not trusted: give its CA as 'ca.crt'", id="private CA"),
        pytest.param({}, 1, "the server's certificate is not trusted: give its CA as 'ca.crt'", id="another CA"),
        pytest.param({"name": "10.0.0.1"}, 0, "the server's certificate is for another address", id="another host"),
        pytest.param({}, "rubbish", "'ca.crt' in the Secret cannot be used", id="a CA that is none"),
    ],
)
async def test_certificates_that_do_not_do(*, cache, tmp_path, authorities, certificate, ca, message):
    pem = authorities[ca].pem if isinstance(ca, int) else ca or ""
    async with TlsGitServer(tmp_path / "git", authorities[0].issue(**certificate)) as server:
        with pytest.raises(GitFailed) as caught:
            await cache.resolve(remote(server, GitAuth(ca=pem)), MASTER)
    assert message in caught.value.message


async def test_a_certificate_that_is_its_own_authority(cache, tmp_path):
    own = Authority("127.0.0.1")
    async with TlsGitServer(tmp_path / "git", own.as_server()) as server:
        with pytest.raises(GitFailed, match=r"is signed by itself and not trusted: give it as 'ca\.crt'"):
            await cache.resolve(remote(server), MASTER)


async def test_a_server_that_wants_a_client_certificate(cache, tmp_path, authorities):
    ca = authorities[0]
    async with TlsGitServer(tmp_path / "git", ca.issue(), clients=ca.pem) as server:
        with pytest.raises(GitFailed, match=r"it may want 'tls\.crt' and 'tls\.key' in the Secret"):
            await cache.resolve(remote(server, GitAuth(ca=ca.pem)), MASTER)
