from __future__ import annotations

import hashlib
import json

import pytest
from repository_kit import ChartRepo
from sources_harness import CHART, HELM, condition

from hub.settings import SourceSettings


@pytest.fixture
async def repo():
    async with ChartRepo() as running:
        running.add(version="1.0.0")
        running.add(version="1.1.0-rc.1")
        yield running


async def test_an_index_becomes_an_artifact(sources, repo):
    await sources.apply("HelmRepository", "charts", {"url": repo.url})
    found = await sources.ready(HELM, "charts")
    artifact = found["status"]["artifact"]
    revision = f"sha256:{hashlib.sha256(repo._index()).hexdigest()}"
    assert artifact["revision"] == revision
    name = f"index-{revision.removeprefix('sha256:')}.yaml"
    assert artifact["path"] == f"helmrepository/{sources.namespace}/charts/{name}"
    for type_ in ("Ready", "ArtifactInStorage"):
        one = condition(found, type_)
        assert (one["status"], one["reason"]) == ("True", "Succeeded")
        assert one["message"] == f"stored artifact: revision '{revision}'"
    event = await sources.event("charts", "Normal", "NewArtifact")
    size = len(repo._index())
    assert event["message"] == f"stored fetched index of size {size}B from '{repo.url}'"


async def test_an_index_that_did_not_change_is_not_sent_again(sources, repo):
    await sources.apply("HelmRepository", "charts", {"url": repo.url})
    before = await sources.ready(HELM, "charts")
    token = await sources.request(HELM, "charts")
    await sources.until(HELM, "charts", lambda found: found["status"]["lastHandledReconcileAt"] == token)
    assert repo.requests == [("index.yaml", 200), ("index.yaml", 304)]
    repo.add(version="1.2.0")
    await sources.request(HELM, "charts")
    after = await sources.until(
        HELM,
        "charts",
        lambda found: found["status"]["artifact"]["revision"] != before["status"]["artifact"]["revision"],
    )
    assert repo.requests[-1] == ("index.yaml", 200)
    assert after["status"]["artifact"]["revision"].startswith("sha256:")


async def test_a_password(sources):
    async with ChartRepo("user", "s3cret") as repo:
        repo.add()
        await sources.apply("HelmRepository", "charts", {"url": repo.url, "secretRef": {"name": "login"}})
        found = await sources.failed(HELM, "charts", "AuthenticationFailed")
        where = f"{sources.namespace}/login"
        assert condition(found, "FetchFailed")["message"] == (
            f"failed to get secret '{where}': secrets \"login\" not found"
        )
        await sources.secret("login", username="user", password="wrong")
        found = await sources.until(HELM, "charts", lambda found: "401" in condition(found, "FetchFailed")["message"])
        assert condition(found, "Ready")["message"] == (
            f"failed to fetch Helm repository index: failed to fetch {repo.url}/index.yaml : "
            "401: the credentials are not accepted"
        )
        await sources.secret("login", username="user", password="s3cret")
        await sources.ready(HELM, "charts")
        await sources.apply(
            "HelmChart", "web", {"chart": "web", "sourceRef": {"kind": "HelmRepository", "name": "charts"}}
        )
        await sources.ready(CHART, "web", "1.0.0")


async def broken(repo, **what):
    for name, value in what.items():
        setattr(repo, name, value)


@pytest.mark.parametrize(
    ("spec", "break_", "reason", "message"),
    [
        pytest.param(
            {},
            {"index": "<html></html>"},
            "IndexationFailed",
            "it is a web page, not YAML: check spec.url",
            id="a web page",
        ),
        pytest.param({}, {"index": "a: b: c"}, "IndexationFailed", "it is not YAML: mapping values", id="not YAML"),
        pytest.param({}, {"index": "a: b"}, "IndexationFailed", "it has no 'entries'", id="another file"),
        pytest.param(
            {"timeout": "500ms"},
            {"stall": True},
            "Failed",
            r"no complete answer within 0.5s (spec.timeout)",
            id="a stall",
        ),
        pytest.param({}, {"index": "x" * 5000}, "Failed", "it is larger than 4000 bytes", id="too large"),
        pytest.param(
            {"url": "http://127.0.0.1:9"}, {}, "Failed", "127.0.0.1:9 refused the connection", id="nobody listens"
        ),
    ],
)
async def test_failures_are_told_and_the_last_index_stays(
    *, clusters, namespace, tmp_path, repo, spec, break_, reason, message
):
    from sources_harness import Sources

    async with Sources(
        clusters.hub, namespace, tmp_path / "storage", SourceSettings(helm_index_max_size=4000)
    ) as sources:
        await sources.apply("HelmRepository", "charts", {"url": repo.url})
        before = await sources.ready(HELM, "charts")
        await broken(repo, **break_)
        await sources.apply("HelmRepository", "charts", {"url": repo.url, "interval": "11m"} | spec)
        found = await sources.failed(HELM, "charts", reason)
        assert message in condition(found, "Ready")["message"]
        assert condition(found, "FetchFailed")["reason"] == reason
        assert found["status"]["artifact"] == before["status"]["artifact"], "what was stored stays"


async def test_oci_with_the_default_type_stalls(sources):
    await sources.apply("HelmRepository", "charts", {"url": "oci://ghcr.io/org"})
    found = await sources.failed(HELM, "charts", "URLInvalid")
    assert condition(found, "Stalled")["message"] == (
        "invalid Helm repository URL: 'oci' URL scheme cannot be used with 'default' HelmRepository type"
    )


async def test_a_repository_that_becomes_oci_is_data(sources, repo):
    await sources.apply("HelmRepository", "charts", {"url": repo.url})
    await sources.ready(HELM, "charts")
    await sources.apply("HelmRepository", "charts", {"url": "oci://ghcr.io/org", "type": "oci"})
    found = await sources.until(HELM, "charts", lambda found: "finalizers" not in found["metadata"])
    assert "artifact" not in found["status"]
    assert "conditions" not in found["status"] or not found["status"]["conditions"]
    await sources.kubectl("delete", HELM, "charts", "--timeout=15s")


async def test_a_lost_store_is_filled_again(clusters, namespace, tmp_path, repo):
    from sources_harness import Sources

    spec = {"chart": "web", "sourceRef": {"kind": "HelmRepository", "name": "charts"}}
    async with Sources(clusters.hub, namespace, tmp_path / "first") as sources:
        await sources.apply("HelmRepository", "charts", {"url": repo.url})
        await sources.apply("HelmChart", "web", spec)
        await sources.ready(CHART, "web")
    async with Sources(clusters.hub, namespace, tmp_path / "second") as sources:
        for kind, name in ((HELM, "charts"), (CHART, "web")):
            found = await sources.until(
                kind, name, lambda found: found["status"]["artifact"]["url"].startswith(sources.store.base_url)
            )
            assert sources.store.file(found["status"]["artifact"]["path"]).exists()
        await sources.kubectl("delete", f"{HELM},{CHART}", "--all", "--timeout=15s")
        assert json.loads(await sources.kubectl("get", CHART, "-o", "json"))["items"] == []
