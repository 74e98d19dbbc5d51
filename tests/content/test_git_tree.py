"""What of a commit goes into an archive: directories, submodules, copies from other artifacts."""

from __future__ import annotations

import io
import os
import tarfile
from dataclasses import replace

import pytest

from hub.content import gitcache
from hub.content.git import GitFailed
from hub.content.gitauth import GitAuth
from hub.content.gitbare import size_of
from hub.content.gitcache import GitCache, Remote
from hub.content.gittree import GitTrees, Included, Wanted
from hub.content.refs import GitRef
from hub.dev.gitserver import GitServer, run_git
from hub.errors import Transient

MASTER = GitRef(branch="master")


@pytest.fixture
async def repo(git_server):
    await git_server.create("app")
    await git_server.commit("app", {"a.txt": "1", "apps/x/b.txt": "2", "apps/xy/c.txt": "3", "docs/d.md": "4"})
    return git_server


async def take(cache, at, tmp_path, **wanted) -> dict[str, bytes]:
    commit = await cache.fetch(at, await cache.resolve(at, MASTER))
    target = tmp_path / "archive.tar.gz"
    await GitTrees(cache).archive(at, commit, target, Wanted(**wanted))
    with tarfile.open(target) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}


def remote(server, name="app", auth=None):
    return Remote.of(server.url(name), auth, 20.0)


@pytest.mark.parametrize("partial", [pytest.param(False, id="whole"), pytest.param(True, id="partial")])
@pytest.mark.parametrize(
    ("sparse", "want"),
    [
        pytest.param(("apps/x",), {"apps/x/b.txt"}, id="a directory, not what begins like it"),
        pytest.param(("./apps/x/", "docs"), {"apps/x/b.txt", "docs/d.md"}, id="several, written anyhow"),
        pytest.param((".",), {"a.txt", "apps/x/b.txt", "apps/xy/c.txt", "docs/d.md"}, id="all"),
        pytest.param(("apps/x", "nope"), "sparse checkout dir 'nope' does not exist in repository", id="missing"),
        pytest.param(("a.txt",), "sparse checkout dir 'a.txt' does not exist in repository", id="a file"),
        pytest.param(("../apps",), "sparse checkout dir '../apps' does not exist in repository", id="outside"),
    ],
)
async def test_sparse_checkout(*, cache, repo, tmp_path, sparse, want, partial):
    at = replace(remote(repo), partial=partial)
    if isinstance(want, set):
        assert set(await take(cache, at, tmp_path, sparse=sparse)) == want
        return
    with pytest.raises(GitFailed) as caught:
        await take(cache, at, tmp_path, sparse=sparse)
    assert caught.value.message == f"failed to sparse checkout directories : {want}"


LARGE, SMALL = ("large/a.bin", "large/b.bin"), "small/c.txt"


async def monorepo(server):
    await server.commit("app", {name: os.urandom(500_000) for name in LARGE} | {SMALL: "1"})


@pytest.mark.parametrize(
    ("filters", "most"),
    [
        pytest.param(True, 10_000, id="a server that filters"),
        pytest.param(False, 1_100_000, id="one that cannot sends everything"),
    ],
)
async def test_sparse_limits_what_is_downloaded(*, cache, repo, tmp_path, filters, most):
    await monorepo(repo)
    await run_git("config", "uploadpack.allowFilter", str(filters).lower(), cwd=repo.root / "app.git")
    at = replace(remote(repo), partial=True)
    assert await take(cache, at, tmp_path, sparse=("small",)) == {SMALL: b"1"}
    size = size_of(cache.bare(at).path)
    assert size < most, f"{size} bytes"
    await repo.commit("app", {SMALL: "2"})
    assert await take(cache, at, tmp_path, sparse=("small",)) == {SMALL: b"2"}
    assert size_of(cache.bare(at).path) - size < 10_000, "only what is new"


async def test_what_others_want_of_a_partial_cache_is_brought_in_one_go(cache, repo, tmp_path):
    await monorepo(repo)
    at = replace(remote(repo), partial=True)
    await take(cache, at, tmp_path, sparse=("small",))
    repo.requests.clear()
    assert set(await take(cache, at, tmp_path, sparse=("large",))) == set(LARGE)
    assert sum(line.startswith("POST") for line in repo.requests) <= 2, "one for the reference, one for the contents"
    repo.requests.clear()
    assert set(await take(cache, at, tmp_path, sparse=("large", "small"))) == {*LARGE, SMALL}
    assert sum(line.startswith("POST") for line in repo.requests) <= 1, "the contents are here"
    assert set(await take(cache, remote(repo), tmp_path)) > {*LARGE, SMALL}, "the whole cache is another one"


async def test_many_contents_are_asked_for_at_once(cache, repo, tmp_path):
    files = {f"many/{number}.txt": f"{number}" for number in range(100)}
    await repo.commit("app", files)
    at = replace(remote(repo), partial=True)
    found = await take(cache, at, tmp_path, sparse=("many",))
    assert {name: data.decode() for name, data in found.items()} == files
    assert sum(line.startswith("POST") for line in repo.requests) <= 4, "look, references, trees, contents"


async def test_submodules_beside_a_partial_cache(cache, repo, tmp_path):
    await repo.create("lib")
    inner = await repo.commit("lib", {"l.txt": "l"})
    await link(repo, "app", "vendor/lib", repo.url("lib"), inner)
    at = replace(remote(repo), partial=True)
    assert set(await take(cache, at, tmp_path, sparse=("vendor",), submodules=True)) == {"vendor/lib/l.txt"}


async def test_packs_of_a_partial_cache_become_one(cache, repo, tmp_path, monkeypatch):
    monkeypatch.setattr(gitcache, "_MANY_PACKS", 3)
    await monorepo(repo)
    at = replace(remote(repo), partial=True)
    for number in range(5):
        await repo.commit("app", {SMALL: str(number)})
        assert await take(cache, at, tmp_path, sparse=("small",)) == {SMALL: str(number).encode()}
    assert cache.bare(at).packs() <= 5
    assert size_of(cache.bare(at).path) < 20_000
    await repo.commit("app", {"large/a.bin": "1"})
    assert (await take(cache, at, tmp_path, sparse=("large",)))["large/a.bin"] == b"1"


async def link(server, name, path, url, commit, *, modules=None):
    """Add a submodule to a repository, as ``git submodule add`` would."""
    text = modules or f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n'
    await server.commit(name, {".gitmodules": text})
    bare = server.root / f"{name}.git"
    work = server.root / f"{name}-work"
    await run_git("clone", "-q", str(bare), str(work))
    await run_git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}", cwd=work)
    await run_git("commit", "-q", "-m", "link", cwd=work)
    await run_git("push", "-q", "origin", "HEAD:master", cwd=work)


async def test_submodules_within_submodules_by_relative_urls(cache, repo, tmp_path):
    await repo.create("lib")
    await repo.create("deep")
    deep = await repo.commit("deep", {"deep.txt": "d", ".sourceignore": "*.md\n", "no.md": ""})
    await repo.commit("lib", {"lib.txt": "l"})
    await link(repo, "lib", "inner", "../deep.git", deep)
    lib = (await run_git("rev-parse", "master", cwd=repo.root / "lib.git")).strip()
    await link(repo, "app", "vendor/lib", "../lib.git", lib)
    plain = await take(cache, remote(repo), tmp_path)
    assert not any(path.startswith("vendor") for path in plain)
    found = await take(cache, remote(repo), tmp_path, submodules=True)
    assert found["vendor/lib/lib.txt"] == b"l"
    assert found["vendor/lib/inner/deep.txt"] == b"d"
    assert "vendor/lib/inner/no.md" not in found
    assert set(await take(cache, remote(repo), tmp_path, submodules=True, sparse=("vendor/lib/inner",))) == {
        "vendor/lib/inner/deep.txt", "vendor/lib/inner/.sourceignore",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("ext::sh -c 'touch /tmp/owned'", "bad URL .* unsupported scheme 'ext'", id="ext"),
        pytest.param("file:///etc", "bad URL .* unsupported scheme 'file'", id="file"),
        pytest.param("--upload-pack=id", "bad URL .* unsupported scheme ''", id="an option"),
        pytest.param("../none.git", "cannot fetch submodule 'sub': .*repository not found", id="not there"),
    ],
)
async def test_submodules_that_cannot_be_had(*, cache, repo, tmp_path, url, message):
    await link(repo, "app", "sub", url, "f" * 40)
    with pytest.raises(GitFailed, match=message):
        await take(cache, remote(repo), tmp_path, submodules=True)


async def test_a_submodule_without_url(cache, repo, tmp_path):
    await link(repo, "app", "sub", "", "f" * 40, modules='[submodule "x"]\n\tpath = other\n\turl = ../lib.git\n')
    with pytest.raises(GitFailed, match=r"no URL for submodule 'sub' in \.gitmodules"):
        await take(cache, remote(repo), tmp_path, submodules=True)


async def test_a_submodule_elsewhere_does_not_get_the_credentials(cache, repo, tmp_path):
    seen = []
    async with GitServer(tmp_path / "elsewhere") as other:
        await other.create("lib")
        commit = await other.commit("lib", {"lib.txt": "l"})
        may = other._may
        other._may = lambda header: seen.append(header) or may(header)
        await link(repo, "app", "sub", other.url("lib"), commit)
        repo.username, repo.password = "user", "secret"
        found = await take(cache, remote(repo, auth=GitAuth("user", "secret")), tmp_path, submodules=True)
    assert found["sub/lib.txt"] == b"l"
    assert seen
    assert set(seen) == {""}


async def test_a_submodule_beside_gets_the_credentials_and_nobody_else_its_content(cache, repo, tmp_path):
    await repo.create("lib")
    commit = await repo.commit("lib", {"lib.txt": "l"})
    await link(repo, "app", "sub", "../lib.git", commit)
    repo.username, repo.password = "user", "secret"
    found = await take(cache, remote(repo, auth=GitAuth("user", "secret")), tmp_path, submodules=True)
    assert found["sub/lib.txt"] == b"l"
    # The parent is public now, the submodule is not: that the cache has it must not matter.
    may = repo._may
    private = []
    serve = repo._serve

    async def by_name(request):
        private.append("lib" in request.path)
        return await serve(request)

    repo._may = lambda header: may(header) or not private[-1]
    await repo.stop()
    repo._serve = by_name
    await repo.start()
    with pytest.raises(GitFailed, match=r"cannot fetch submodule 'sub': .*authentication required"):
        await take(cache, remote(repo), tmp_path, submodules=True)


def artifact(folder, **files):
    file = folder / "other.tar.gz"
    with tarfile.open(file, "w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
    return file


@pytest.mark.parametrize(
    ("from_path", "to_path", "want"),
    [
        pytest.param("", "other", {"other/x.yaml", "other/sub/y.yaml"}, id="all of it"),
        pytest.param("sub", "lib/y", {"lib/y/y.yaml"}, id="a folder"),
        pytest.param("./sub/y.yaml", "z.yaml", {"z.yaml"}, id="a file"),
        pytest.param("../../sub", "../../out", {"out/y.yaml"}, id="dots do not leave the tree"),
        pytest.param("nope", "lib", "IllegalPath", id="not there"),
        pytest.param("sub/y.yaml", "a.txt", "CopyFailure", id="over a file"),
    ],
)
async def test_include(*, cache, repo, tmp_path, from_path, to_path, want):
    file = artifact(tmp_path, **{"x.yaml": b"x", "sub/y.yaml": b"y", "sub/z.jpg": b"z"})
    includes = (Included("other", file, "sha256:1", from_path, to_path),)
    if isinstance(want, str):
        with pytest.raises(Transient) as caught:
            await take(cache, remote(repo), tmp_path, includes=includes)
        assert caught.value.reason == want
        return
    own = {"a.txt", "apps/x/b.txt", "apps/xy/c.txt", "docs/d.md"}
    assert set(await take(cache, remote(repo), tmp_path, includes=includes)) == own | want


async def test_what_is_included_can_be_ignored(cache, repo, tmp_path):
    file = artifact(tmp_path, **{"x.yaml": b"x", "sub/y.yaml": b"y"})
    includes = (Included("other", file, "sha256:1", "", "other"),)
    found = await take(cache, remote(repo), tmp_path, includes=includes, ignore="/other/sub")
    assert "other/x.yaml" in found
    assert "other/sub/y.yaml" not in found


async def test_a_large_commit_is_refused(repo, tmp_path):
    small = GitCache(tmp_path / "small", max_size=100_000)
    await small.prepare()
    await repo.commit("app", {"zeros.bin": b"\0" * 200_000})
    with pytest.raises(GitFailed, match=r"are more than 0 MiB or 200000 files: leave some out"):
        await take(small, remote(repo), tmp_path)
    assert "zeros.bin" not in await take(small, remote(repo), tmp_path, ignore="*.bin")
    small.close()
