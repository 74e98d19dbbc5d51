"""GitRepositories that verify, include, log in over ssh, and share what they ask."""

from __future__ import annotations

import asyncio
import io
import json
import resource
import tarfile

import pytest
from git_kit import PgpKey, SshGitServer, SshSigner, sign_head, sign_tag, ssh_key
from sources_harness import GIT, condition

from hub.dev.gitserver import run_git


async def names(sources, found):
    """Return what is in the artifact of an object."""
    async with sources.session.get(found["status"]["artifact"]["url"]) as response:
        data = await response.read()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return set(tar.getnames())


@pytest.mark.parametrize("make", [PgpKey, SshSigner], ids=["PGP", "SSH"])
async def test_only_signed_commits_are_taken(sources, repo, make):
    key = make()
    bare = repo.root / "app.git"
    signed = await sign_head(bare, key)
    await sources.secret("keys", **{"dev.sshpub" if make is SshSigner else "dev.asc": key.public.decode()})
    spec = {"url": repo.url("app"), "verify": {"mode": "HEAD", "secretRef": {"name": "keys"}}}
    await sources.apply("GitRepository", "app", spec)
    good = await sources.ready(GIT, "app", f"master@sha1:{signed}")
    verified = condition(good, "SourceVerified")
    assert (verified["status"], verified["reason"]) == ("True", "Succeeded")
    assert verified["message"].startswith(f"verified signature of\n\t- commit '{signed}' with key '")
    assert good["status"]["sourceVerificationMode"] == "HEAD"

    unsigned = await repo.commit("app", {"a.txt": "2"})
    await sources.request(GIT, "app")
    found = await sources.failed(GIT, "app", "InvalidCommitSignature")
    message = f"signature verification of commit '{unsigned}' failed: it is not signed"
    assert condition(found, "SourceVerified")["status"] == "False"
    assert condition(found, "Ready")["message"] == message
    assert not any(one["type"] == "FetchFailed" for one in found["status"]["conditions"])
    assert found["status"]["artifact"] == good["status"]["artifact"], "the last good one stays"
    assert (await sources.event("app", "Warning", "InvalidCommitSignature"))["message"] == message

    again = await sign_head(bare, key)
    await sources.request(GIT, "app")
    await sources.ready(GIT, "app", f"master@sha1:{again}")
    await sources.secret("keys", **{"dev.sshpub": SshSigner().public.decode(), "dev.asc": PgpKey().public.decode()})
    found = await sources.failed(GIT, "app", "InvalidCommitSignature")
    assert "unable to verify payload with any of the given" in condition(found, "Ready")["message"]
    assert found["status"]["artifact"]["revision"] == f"master@sha1:{again}"
    await sources.apply("GitRepository", "app", {"url": repo.url("app"), "verify": None})
    found = await sources.ready(GIT, "app")
    assert {one["type"] for one in found["status"]["conditions"]} == {"Ready", "ArtifactInStorage"}
    assert "sourceVerificationMode" not in found["status"]


async def test_tags_and_what_they_have_to_say(sources, repo):
    key = PgpKey()
    bare = repo.root / "app.git"
    commit = await sign_head(bare, key)
    tag = await sign_tag(bare, key, "v1.0.0", commit)
    await sign_tag(bare, None, "v2.0.0", commit)
    await sign_tag(bare, key, "v4.0.0", commit, named="v1.0.0")
    await run_git("tag", "v3.0.0", commit, cwd=bare)
    await sources.secret("keys", **{"dev.asc": key.public.decode()})

    async def ask(mode, ref):
        verify = {"mode": mode, "secretRef": {"name": "keys"}}
        await sources.apply("GitRepository", "app", {"url": repo.url("app"), "ref": ref, "verify": verify})

    await ask("TagAndHEAD", {"semver": "1.x"})
    found = await sources.ready(GIT, "app", f"v1.0.0@sha1:{commit}")
    lines = condition(found, "SourceVerified")["message"].split("\n\t- ")
    assert lines[0] == "verified signature of"
    assert lines[1].startswith(f"tag 'v1.0.0@{tag}' with key '")
    assert lines[2].startswith(f"commit '{commit}' with key '")
    await ask("Tag", {"name": "refs/tags/v1.0.0"})
    await sources.ready(GIT, "app", f"refs/tags/v1.0.0@sha1:{commit}")
    for wanted, reason, message in (
        ("v2.0.0", "InvalidTagSignature", "failed: it is not signed"),
        ("v3.0.0", "InvalidGitObject", "cannot verify signature of tag 'v3.0.0' since it is not annotated"),
        ("v4.0.0", "InvalidGitObject", f"is not one of commit '{commit}' by this name"),
    ):
        await ask("Tag", {"tag": wanted})
        found = await sources.failed(GIT, "app", reason)
        assert message in condition(found, "Ready")["message"]
        assert found["status"]["artifact"]["revision"] == f"refs/tags/v1.0.0@sha1:{commit}"


async def test_keys_that_cannot_be_read(sources, repo):
    spec = {"url": repo.url("app"), "verify": {"secretRef": {"name": "keys"}}}
    await sources.apply("GitRepository", "app", spec)
    found = await sources.failed(GIT, "app", "VerificationError")
    where = f"{sources.namespace}/keys"
    assert condition(found, "SourceVerified")["message"].startswith(f"public keys secret '{where}' error: ")


async def test_include(sources, repo):
    await repo.create("lib")
    await repo.commit("lib", {"lib/x.yaml": "1", "other.txt": ""})
    include = {"include": [{"repository": {"name": "lib"}, "fromPath": "lib", "toPath": "vendor/lib"}]}
    await sources.apply("GitRepository", "app", {"url": repo.url("app")} | include)
    found = await sources.until(GIT, "app", lambda found: condition(found, "IncludeUnavailable")["status"] == "True")
    ready = condition(found, "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "NotFound")
    assert ready["message"].startswith("could not get resource for include 'lib': ")

    await sources.apply("GitRepository", "lib", {"url": repo.url("lib")})  # brings the other one back
    lib = await sources.ready(GIT, "lib")
    first = await sources.ready(GIT, "app")
    assert await names(sources, first) == {"a.txt", "vendor/lib/x.yaml"}
    assert first["status"]["includedArtifacts"] == [lib["status"]["artifact"]]
    assert first["status"]["observedInclude"] == include["include"]

    await repo.commit("lib", {"lib/y.yaml": "2"})
    await sources.request(GIT, "lib")
    second = await sources.until(
        GIT,
        "app",
        lambda found: (
            found["status"]["artifact"]["digest"] != first["status"]["artifact"]["digest"]
            and condition(found, "Ready")["status"] == "True"
        ),
    )
    assert second["status"]["artifact"]["revision"] == first["status"]["artifact"]["revision"]
    assert await names(sources, second) == {"a.txt", "vendor/lib/x.yaml", "vendor/lib/y.yaml"}


async def test_a_change_of_what_is_wanted_makes_another_artifact(sources, repo):
    await repo.commit("app", {"apps/b.txt": "2"})
    await sources.apply("GitRepository", "app", {"url": repo.url("app")})
    assert await names(sources, await sources.ready(GIT, "app")) == {"a.txt", "apps/b.txt"}
    await sources.apply("GitRepository", "app", {"url": repo.url("app"), "sparseCheckout": ["./apps"]})
    found = await sources.ready(GIT, "app")
    assert await names(sources, found) == {"apps/b.txt"}
    assert found["status"]["observedSparseCheckout"] == ["./apps"]
    await sources.apply("GitRepository", "app", {"url": repo.url("app"), "sparseCheckout": ["nope"]})
    broken = await sources.failed(GIT, "app", "GitOperationFailed")
    assert condition(broken, "FetchFailed")["message"] == (
        "failed to sparse checkout directories : sparse checkout dir 'nope' does not exist in repository"
    )
    assert broken["status"]["artifact"] == found["status"]["artifact"]


async def test_over_ssh(sources, repo, caplog):
    key, text = ssh_key()
    async with SshGitServer(repo.root, key) as shell:
        await sources.apply("GitRepository", "app", {"url": shell.url("app")})
        found = await sources.failed(GIT, "app", "AuthenticationFailed")
        assert condition(found, "Ready")["message"] == (
            "failed to configure authentication options: invalid 'ssh' auth option: 'identity' is required"
        )
        await sources.secret("login", **{"identity": text, "identity.pub": "x", "known_hosts": shell.known_hosts})
        await sources.apply("GitRepository", "app", {"url": shell.url("app"), "secretRef": {"name": "login"}})
        await sources.ready(GIT, "app", f"master@sha1:{repo.first}")
        told = await sources.kubectl("get", f"events,{GIT}", "-o", "yaml")
    secret = text.splitlines()[2]
    assert secret not in told
    assert secret not in caplog.text


async def all_ready(sources, revision):
    """Wait until every GitRepository is ready with a revision."""
    async with asyncio.timeout(60):
        while True:
            items = json.loads(await sources.kubectl("get", GIT, "-o", "json"))["items"]
            ready = [
                one
                for one in items
                if one.get("status", {}).get("artifact", {}).get("revision") == revision
                and condition(one, "Ready")["status"] == "True"
            ]
            if len(ready) == len(items):
                return
            await asyncio.sleep(0.2)


def used():
    """Seconds of CPU that this process and its children have had."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


async def test_a_hundred_that_share_a_repository_ask_once(sources, repo):
    """The server is asked once per interval, whoever's turn it is; news reach all of them at once."""
    spec, count = {"url": repo.url("app"), "interval": "3s"}, 100
    kind = {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository"}
    items = [
        kind | {"metadata": {"name": f"app{number}", "namespace": sources.namespace}, "spec": spec}
        for number in range(count)
    ]
    await sources.kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    await all_ready(sources, f"master@sha1:{repo.first}")
    loop = asyncio.get_running_loop()
    repo.requests.clear()
    begun, done, cpu = loop.time(), len(sources.reconciled), used()
    async with asyncio.timeout(60):
        while len(sources.reconciled) < done + 2 * count:  # noqa: ASYNC110 - what runs has no event to wait for
            await asyncio.sleep(0.05)
    looks = sum("info/refs" in line for line in repo.requests)
    intervals = (loop.time() - begun) / (0.94 * 3.0)
    assert 1 <= looks <= intervals + 1, f"{looks} looks for {len(sources.reconciled) - done} reconciles"
    spent = (used() - cpu) / 2
    assert spent < 1.0, f"{spent:.2f} s of CPU for one round, here, in git and in the server that is asked"

    repo.requests.clear()
    second = await repo.commit("app", {"a.txt": "2"})
    await all_ready(sources, f"master@sha1:{second}")
    posts = sum("git-upload-pack" in line and line.startswith("POST") for line in repo.requests)
    looks = sum("info/refs" in line for line in repo.requests)
    assert posts <= looks + 1, "one fetch for all of them"
    assert len({path.stat().st_ino for path in sources.root.glob(f"artifacts/*/*/*/{second}.tar.gz")}) == 1
