from __future__ import annotations

import asyncio
import hashlib
import io
import logging
import tarfile

import pytest
from sources_harness import GIT, Sources, condition

from hub.dev.gitserver import Fault

PASSWORD = "s3cret/p@ss"


async def test_a_repository_becomes_an_artifact(sources, repo):
    await sources.apply("GitRepository", "app", {"url": repo.url("app"), "ref": {"branch": "master"}})
    revision = f"master@sha1:{repo.first}"
    found = await sources.ready(GIT, "app", revision)
    artifact = found["status"]["artifact"]
    path = f"gitrepository/{sources.namespace}/app/{repo.first}.tar.gz"
    assert artifact["path"] == path
    assert artifact["url"] == f"http://{sources.server.address}/{path}"
    assert found["metadata"]["finalizers"] == ["finalizers.fluxcd.io"]
    for type_ in ("Ready", "ArtifactInStorage"):
        one = condition(found, type_)
        assert (one["status"], one["reason"]) == ("True", "Succeeded")
        assert one["message"] == f"stored artifact for revision '{revision}'"
    assert {one["type"] for one in found["status"]["conditions"]} == {"Ready", "ArtifactInStorage"}
    async with sources.session.get(artifact["url"]) as response:
        data = await response.read()
    assert artifact["size"] == len(data)
    assert artifact["digest"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getnames() == ["a.txt"]
    event = await sources.event("app", "Normal", "NewArtifact")
    assert event["message"] == "stored artifact for commit 'Begin'"
    assert event["metadata"]["annotations"] == {
        "source.toolkit.fluxcd.io/revision": revision,
        "source.toolkit.fluxcd.io/digest": artifact["digest"],
    }


async def test_a_request_is_answered_at_once(sources, repo):
    await sources.apply("GitRepository", "app", {"url": repo.url("app")})
    await sources.ready(GIT, "app")
    second = await repo.commit("app", {"a.txt": "2"})
    token = await sources.request(GIT, "app")
    found = await sources.until(GIT, "app", lambda found: found["status"]["lastHandledReconcileAt"] == token)
    assert found["status"]["artifact"]["revision"] == f"master@sha1:{second}"


async def test_looks_that_find_nothing_write_nothing(sources, repo):
    await sources.apply("GitRepository", "app", {"url": repo.url("app"), "interval": "100ms"})
    before = await sources.ready(GIT, "app")
    count = len(sources.reconciled)
    async with asyncio.timeout(20):
        while len(sources.reconciled) < count + 5:  # noqa: ASYNC110 - what runs has no event to wait for
            await asyncio.sleep(0.05)
    after = await sources.get(GIT, "app")
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    second = await repo.commit("app", {"a.txt": "2"})
    await sources.ready(GIT, "app", f"master@sha1:{second}")


async def test_ignore_makes_another_artifact_of_the_same_commit(sources, repo):
    await repo.commit("app", {"b.md": "x"})
    await sources.apply("GitRepository", "app", {"url": repo.url("app")})
    first = await sources.ready(GIT, "app")
    await sources.apply("GitRepository", "app", {"url": repo.url("app"), "ignore": "*.md"})
    second = await sources.ready(GIT, "app")
    assert second["status"]["observedIgnore"] == "*.md"
    assert first["status"]["artifact"]["revision"] == second["status"]["artifact"]["revision"]
    assert first["status"]["artifact"]["digest"] != second["status"]["artifact"]["digest"]


async def fault(repo, what):
    repo.faults["app"] = what


async def branch(repo):
    await repo.commit("app", {"x": "y"}, branch="nope")


@pytest.mark.parametrize(
    ("spec", "break_", "fix", "reason", "message"),
    [
        pytest.param(
            {"ref": {"branch": "nope"}},
            None,
            branch,
            "GitOperationFailed",
            "failed to checkout and determine revision: unable to clone '{url}': "
            "couldn't find remote ref 'refs/heads/nope'; branches there: master",
            id="branch missing",
        ),
        pytest.param(
            {},
            lambda repo: fault(repo, Fault.NOT_GIT),
            lambda repo: fault(repo, Fault.NONE),
            "GitOperationFailed",
            "failed to checkout and determine revision: unable to list remote for '{url}': "
            "the server does not answer as a git server: check spec.url",
            id="not a git server",
        ),
        pytest.param(
            {},
            lambda repo: fault(repo, Fault.ERROR),
            lambda repo: fault(repo, Fault.NONE),
            "GitOperationFailed",
            "failed to checkout and determine revision: unable to list remote for '{url}': ",
            id="the server is out of order",
        ),
        pytest.param(
            {"timeout": "500ms"},
            lambda repo: fault(repo, Fault.HANG),
            lambda repo: fault(repo, Fault.NONE),
            "GitOperationFailed",
            "failed to checkout and determine revision: unable to list remote for '{url}': no answer within 0.5s",
            id="the server hangs",
        ),
        pytest.param(
            {},
            lambda repo: repo.stop(),
            lambda repo: repo.start(),
            "GitOperationFailed",
            "failed to checkout and determine revision: unable to list remote for '{url}': "
            "the server does not accept connections",
            id="nobody listens",
        ),
    ],
)
async def test_failures_are_told_and_recovered_from(*, sources, repo, spec, break_, fix, reason, message):
    await sources.apply("GitRepository", "app", {"url": repo.url("app")})
    before = await sources.ready(GIT, "app")
    if break_ is not None:
        await break_(repo)
    await sources.apply("GitRepository", "app", {"url": repo.url("app"), "ref": {"branch": "master"}} | spec)
    found = await sources.failed(GIT, "app", reason)
    text = condition(found, "Ready")["message"]
    assert text.startswith(message.format(url=repo.url("app")))
    failed = condition(found, "FetchFailed")
    assert (failed["status"], failed["reason"], failed["message"]) == ("True", reason, text)
    assert condition(found, "Reconciling")["reason"] == "ProgressingWithRetry"
    assert found["status"]["artifact"] == before["status"]["artifact"], "what was stored stays"
    event = await sources.event("app", "Warning", reason)
    assert event["message"] == text
    await fix(repo)
    await sources.request(GIT, "app")
    found = await sources.ready(GIT, "app")
    assert {one["type"] for one in found["status"]["conditions"]} == {"Ready", "ArtifactInStorage"}


async def test_a_recovery_is_told(sources, repo):
    await sources.apply("GitRepository", "app", {"url": repo.url("app")})
    await sources.ready(GIT, "app")
    repo.faults["app"] = Fault.ERROR
    await sources.request(GIT, "app")
    await sources.failed(GIT, "app", "GitOperationFailed")
    repo.faults.clear()
    await sources.request(GIT, "app")
    await sources.ready(GIT, "app")
    event = await sources.event("app", "Normal", "Succeeded")
    assert event["message"] == f"stored artifact for revision 'master@sha1:{repo.first}'"


async def test_credentials(sources, repo, caplog):
    caplog.set_level(logging.DEBUG)
    repo.username, repo.password = "user", PASSWORD
    url = repo.url("app")
    await sources.apply("GitRepository", "app", {"url": url, "secretRef": {"name": "login"}})
    found = await sources.failed(GIT, "app", "AuthenticationFailed")
    where = f"{sources.namespace}/login"
    assert condition(found, "Ready")["message"] == f"failed to get secret '{where}': secrets \"login\" not found"
    await sources.event("app", "Warning", "AuthenticationFailed")

    await sources.secret("login", password=PASSWORD)  # the Secret alone brings the repository back
    found = await sources.until(
        GIT, "app", lambda found: "'password' requires 'username'" in condition(found, "Ready")["message"]
    )
    await sources.secret("login", username="user", password=f"{PASSWORD}wrong")
    found = await sources.failed(GIT, "app", "GitOperationFailed")
    assert "the server refused the username and password of the Secret" in condition(found, "Ready")["message"]

    await sources.secret("login", username="user", password=PASSWORD)
    await sources.ready(GIT, "app")
    told = await sources.kubectl("get", f"events,{GIT}", "-o", "yaml")
    assert PASSWORD not in told
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize(
    ("spec", "reason", "message"),
    [
        pytest.param({"url": "http:///x"}, "URLInvalid", "failed to parse url 'http:///x': no host", id="no host"),
        pytest.param(
            {"verify": {"mode": "Tag", "secretRef": {"name": "keys"}}},
            "InvalidVerificationMode",
            "cannot verify tag object's signature if a tag reference is not specified",
            id="a tag to verify, and none is named",
        ),
        pytest.param(
            {"provider": "github"},
            "InvalidProviderConfiguration",
            "secretRef with github app data must be specified when provider is set to github",
            id="a GitHub App without Secret",
        ),
        pytest.param(
            {"include": [{"repository": {"name": "app"}}]},
            "IncludeCycle",
            "include 'app' leads back to 'app'",
            id="includes itself",
        ),
    ],
)
async def test_what_only_a_new_spec_mends(*, sources, repo, spec, reason, message):
    await sources.apply("GitRepository", "app", {"url": repo.url("app")} | spec)
    found = await sources.failed(GIT, "app", reason)
    stalled = condition(found, "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", reason)
    assert stalled["message"].startswith(message)
    assert found["status"]["observedGeneration"] == 1
    await sources.event("app", "Warning", reason)
    await sources.kubectl("delete", GIT, "app", "--wait=false")
    await sources.kubectl("wait", "--for=delete", GIT, "app", "--timeout=15s")
    await sources.apply("GitRepository", "app", {"url": repo.url("app")})
    await sources.ready(GIT, "app")


async def test_suspend_and_resume(sources, repo):
    await sources.apply("GitRepository", "app", {"url": repo.url("app"), "interval": "100ms"})
    await sources.ready(GIT, "app")
    await sources.apply("GitRepository", "app", {"url": repo.url("app"), "interval": "100ms", "suspend": True})
    await sources.until(GIT, "app", lambda found: found["status"]["observedGeneration"] == 2)
    second = await repo.commit("app", {"a.txt": "2"})
    token = await sources.request(GIT, "app")
    found = await sources.until(GIT, "app", lambda found: found["status"]["lastHandledReconcileAt"] == token)
    assert found["status"]["artifact"]["revision"] == f"master@sha1:{repo.first}"
    await sources.apply("GitRepository", "app", {"url": repo.url("app"), "interval": "100ms", "suspend": False})
    await sources.ready(GIT, "app", f"master@sha1:{second}")


async def test_deletion_removes_the_artifacts(sources, repo):
    await sources.apply("GitRepository", "app", {"url": repo.url("app")})
    found = await sources.ready(GIT, "app")
    file = sources.store.file(found["status"]["artifact"]["path"])
    assert file.exists()
    await sources.kubectl("delete", GIT, "app", "--timeout=15s")
    assert not file.parent.exists()


@pytest.mark.parametrize("harm", ["gone", "changed"])
async def test_a_damaged_artifact_is_built_again(sources, repo, harm):
    await sources.apply("GitRepository", "app", {"url": repo.url("app")})
    found = await sources.ready(GIT, "app")
    file = sources.store.file(found["status"]["artifact"]["path"])
    data = file.read_bytes()
    if harm == "gone":
        file.unlink()
    else:
        file.write_bytes(b"something else")
    token = await sources.request(GIT, "app")
    await sources.until(GIT, "app", lambda found: found["status"]["lastHandledReconcileAt"] == token)
    await sources.ready(GIT, "app", f"master@sha1:{repo.first}")
    assert file.read_bytes() == data
    if harm == "changed":
        await sources.event("app", "Warning", "ArtifactVerificationFailed")


async def test_after_a_restart_nothing_is_written(clusters, namespace, tmp_path, repo):
    async with Sources(clusters.hub, namespace, tmp_path / "storage") as first:
        await first.apply("GitRepository", "app", {"url": repo.url("app")})
        before = await first.ready(GIT, "app")
        address = first.server.address
    async with Sources(clusters.hub, namespace, tmp_path / "storage") as again:
        async with asyncio.timeout(20):
            while not again.reconciled:  # noqa: ASYNC110 - what runs has no event to wait for
                await asyncio.sleep(0.02)
        after = await again.ready(GIT, "app")
        # The port is another one, and so is the address of the artifact; that is all.
        assert (
            after["status"]["artifact"]["url"].replace(again.server.address, address)
            == (before["status"]["artifact"]["url"])
        )
        before["status"]["artifact"].pop("url")
        after["status"]["artifact"].pop("url")
        assert after["status"] == before["status"]
        await again.kubectl("delete", GIT, "app", "--timeout=15s")
