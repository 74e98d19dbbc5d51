"""HelmCharts from Helm repositories, over HTTP and in registries, and dependencies from both."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from repository_kit import ChartRepo, Pusher, package, targz
from sources_harness import CHART, GIT, HELM, condition

from hub.content.oci.manifest import EMPTY_CONFIG, compose_manifest
from hub.content.oci.signed import SIGNATURE_ANNOTATION, SIMPLE_SIGNING

SOURCE = {"kind": "HelmRepository", "name": "charts"}
PROD = ["values.yaml", "prod.yaml"]


@pytest.fixture
async def repo(sources):
    async with ChartRepo() as running:
        for version in ("1.0.0", "1.1.0-rc.1"):
            running.add(version=version)
        await sources.apply("HelmRepository", "charts", {"url": running.url})
        yield running


@pytest.fixture
def pusher(sources, tmp_path):
    return Pusher(sources.session, tmp_path)


async def contents(sources, found):
    async with sources.session.get(found["status"]["artifact"]["url"]) as response:
        data = await response.read()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


@pytest.mark.parametrize(
    ("spec", "revision", "message"),
    [
        pytest.param({}, "1.0.0", "pulled 'web' chart with version '1.0.0'", id="the latest stable"),
        pytest.param(
            {"version": ">=1.1.0-0"}, "1.1.0-rc.1", "pulled 'web' chart with version '1.1.0-rc.1'", id="range"
        ),
        pytest.param(
            {"valuesFiles": PROD},
            "1.0.0+1",
            "packaged 'web' chart with version '1.0.0+1' and merged values files [values.yaml prod.yaml]",
            id="values files",
        ),
        pytest.param(
            {"reconcileStrategy": "Revision"}, "1.0.0", "pulled 'web' chart with version '1.0.0'", id="Revision"
        ),
    ],
)
async def test_a_chart_of_an_index(*, sources, repo, spec, revision, message):
    await sources.apply("HelmChart", "web", {"chart": "web", "sourceRef": SOURCE} | spec)
    found = await sources.ready(CHART, "web", revision)
    reason = "ChartPackageSucceeded" if "packaged" in message else "ChartPullSucceeded"
    for type_ in ("Ready", "ArtifactInStorage"):
        one = condition(found, type_)
        assert (one["reason"], one["message"]) == (reason, message)
    assert found["status"]["artifact"]["path"].endswith(f"/web-{revision}.tgz")
    assert found["status"]["observedChartName"] == "web"
    files = await contents(sources, found)
    assert f'version": "{revision}"'.replace('"', "") in files["web/Chart.yaml"].decode().replace('"', "")
    assert (await sources.event("web", "Normal", reason))["message"] == message


async def test_a_new_version_is_picked_up_and_a_package_is_fetched_once(sources, repo):
    for name in ("one", "two"):
        await sources.apply("HelmChart", name, {"chart": "web", "version": "1.x", "sourceRef": SOURCE})
    for name in ("one", "two"):
        await sources.ready(CHART, name, "1.0.0")
    repo.add(version="1.1.0")
    await sources.request(HELM, "charts")
    for name in ("one", "two"):
        await sources.ready(CHART, name, "1.1.0")
    fetched = [name for name, _ in repo.requests if name != "index.yaml"]
    assert sorted(fetched) == ["web-1.0.0.tgz", "web-1.1.0.tgz"]


@pytest.mark.parametrize(
    ("spec", "reason", "message", "stalls"),
    [
        pytest.param(
            {"version": "3.x"},
            "InvalidChartReference",
            "invalid chart reference: failed to get chart version for remote reference: "
            "no 'web' chart with version matching '3.x' found",
            True,
            id="no such version",
        ),
        pytest.param(
            {"chart": "nope"},
            "InvalidChartReference",
            "invalid chart reference: failed to get chart version",
            True,
            id="chart",
        ),
        pytest.param(
            {"chart": "../web"},
            "InvalidChartReference",
            "invalid chart reference: invalid chart name '../web'",
            True,
            id="name",
        ),
        pytest.param(
            {"valuesFiles": ["nope.yaml"]},
            "ValuesFilesError",
            "values files merge error: no values file found at path 'nope.yaml' in the chart",
            True,
            id="values file",
        ),
        pytest.param(
            {"verify": {"provider": "cosign"}},
            "UnsupportedField",
            "spec.verify needs a HelmRepository of type 'oci'",
            True,
            id="verify",
        ),
    ],
)
async def test_what_an_index_does_not_have(*, sources, repo, spec, reason, message, stalls):
    await sources.apply("HelmChart", "web", {"chart": "web", "sourceRef": SOURCE} | spec)
    found = await sources.failed(CHART, "web", reason)
    assert condition(found, "Ready")["message"].startswith(message)
    assert any(one["type"] == "Stalled" for one in found["status"]["conditions"]) is stalls


async def test_a_chart_that_appears_later_is_not_taken_for_the_one_before(sources, repo):
    await sources.apply("HelmChart", "web", {"chart": "web", "sourceRef": SOURCE})
    await sources.ready(CHART, "web", "1.0.0")
    await sources.apply("HelmChart", "web", {"chart": "other", "sourceRef": SOURCE})
    await sources.failed(CHART, "web", "InvalidChartReference")
    repo.add("other", "1.0.0")
    await sources.request(HELM, "charts")
    found = await sources.ready(CHART, "web", "1.0.0")
    assert found["status"]["observedChartName"] == "other"
    assert found["status"]["artifact"]["path"].endswith("/other-1.0.0.tgz")


async def test_a_package_with_another_digest_is_refused_and_the_last_one_stays(sources, repo):
    await sources.apply("HelmChart", "web", {"chart": "web", "version": "1.x", "sourceRef": SOURCE})
    before = await sources.ready(CHART, "web", "1.0.0")
    repo.wrong_digest = True
    repo.add(version="1.2.0")
    await sources.request(HELM, "charts")
    found = await sources.failed(CHART, "web", "ChartPullError")
    text = condition(found, "FetchFailed")["message"]
    assert text.startswith("chart pull error: digest mismatch: the index says sha256:0000")
    assert found["status"]["artifact"] == before["status"]["artifact"]
    repo.wrong_digest = False
    await sources.request(HELM, "charts")
    await sources.ready(CHART, "web", "1.2.0")


async def test_a_chart_of_a_registry(sources, registry_server, pusher):
    repository = registry_server.repository("one")
    await pusher.chart(repository, version="1.0.0")
    await pusher.chart(repository, version="1.1.0+build.5")
    url = f"oci://{repository}"
    await sources.apply("HelmRepository", "charts", {"url": url, "type": "oci", "insecure": True})
    await sources.apply("HelmChart", "web", {"chart": "web", "version": "1.x", "sourceRef": SOURCE})
    found = await sources.ready(CHART, "web", "1.1.0+build.5")
    assert condition(found, "Ready")["message"] == "pulled 'web' chart with version '1.1.0+build.5'"
    assert "web/Chart.yaml" in await contents(sources, found)
    await sources.apply("HelmChart", "web", {"chart": "web", "version": "1.0.0", "sourceRef": SOURCE})
    await sources.ready(CHART, "web", "1.0.0")
    await sources.apply("HelmChart", "web", {"chart": "web", "version": "2.x", "sourceRef": SOURCE})
    found = await sources.failed(CHART, "web", "ChartPullError")
    assert condition(found, "Ready")["message"] == (
        "chart pull error: failed to get chart version for remote reference: "
        "no 'web' chart with version matching '2.x' found"
    )


def sign(key, digest):
    image = {"docker-manifest-digest": digest}
    payload = json.dumps({"critical": {"type": "cosign container image signature", "image": image}}).encode()
    return payload, key.sign(payload, ec.ECDSA(hashes.SHA256()))


async def put_signature(pusher, repository, digest, key, folder):
    import base64

    payload, signature = sign(key, digest)
    registry = pusher.open(repository)
    (folder / "payload").write_bytes(payload)
    (folder / "empty").write_bytes(b"{}")
    note = {SIGNATURE_ANNOTATION: base64.b64encode(signature).decode()}
    layer = await registry.push(folder / "payload", SIMPLE_SIGNING, note)
    manifest = compose_manifest(await registry.push(folder / "empty", EMPTY_CONFIG), [layer], {})
    await registry.push_manifest(manifest, f"{digest.replace(':', '-')}.sig")


async def test_only_signed_charts(sources, registry_server, pusher, tmp_path):
    repository = registry_server.repository("signed")
    digest = await pusher.chart(repository, version="1.0.0")
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    await sources.secret("keys", **{"cosign.pub": public.decode()})
    await sources.apply("HelmRepository", "charts", {"url": f"oci://{repository}", "type": "oci", "insecure": True})
    verify = {"provider": "cosign", "secretRef": {"name": "keys"}}
    await sources.apply("HelmChart", "web", {"chart": "web", "sourceRef": SOURCE, "verify": verify})
    found = await sources.failed(CHART, "web", "VerificationError")
    one = condition(found, "SourceVerified")
    assert (one["status"], one["message"]) == (
        "False",
        f"failed to verify the signature using provider 'cosign': no signatures found for '{repository}/web@{digest}'",
    )
    assert "artifact" not in found["status"]
    await put_signature(pusher, f"{repository}/web", digest, other, tmp_path)
    await sources.request(CHART, "web")
    found = await sources.until(CHART, "web", lambda found: "1 found" in condition(found, "Ready")["message"])
    await put_signature(pusher, f"{repository}/web", digest, key, tmp_path)
    await sources.request(CHART, "web")
    found = await sources.ready(CHART, "web", "1.0.0")
    assert condition(found, "SourceVerified")["message"] == "verified signature of version 1.0.0"


async def test_dependencies_come_from_repositories_and_registries(sources, git_server, registry_server, pusher):
    repository = registry_server.repository("deps")
    await pusher.chart(repository, "cache", "2.1.0")
    async with ChartRepo("user", "s3cret") as repo:
        for version in ("1.0.0", "1.1.0"):
            repo.add("db", version)
        await sources.secret("login", username="user", password="s3cret")
        await sources.apply("HelmRepository", "private", {"url": f"{repo.url}/", "secretRef": {"name": "login"}})
        await sources.apply(
            "HelmRepository", "registry", {"url": f"oci://{repository}", "type": "oci", "insecure": True}
        )
        entries = [
            {"name": "db", "version": "1.x", "repository": repo.url},
            {"name": "cache", "version": "2.x", "repository": f"oci://{repository}"},
        ]
        chart = {"apiVersion": "v2", "name": "app", "version": "1.0.0", "dependencies": entries}
        lock = {"dependencies": [entries[0] | {"version": "1.0.0"}]}
        await git_server.create("app")
        await git_server.commit("app", {"chart/Chart.yaml": json.dumps(chart), "chart/Chart.lock": json.dumps(lock)})
        await sources.apply("GitRepository", "app", {"url": git_server.url("app")})
        await sources.apply(
            "HelmChart", "app", {"chart": "chart", "sourceRef": {"kind": "GitRepository", "name": "app"}}
        )
        found = await sources.ready(CHART, "app", "1.0.0")
        files = await contents(sources, found)
        assert json.loads(files["app/charts/db/Chart.yaml"])["version"] == "1.0.0", "as locked"
        assert json.loads(files["app/charts/cache/Chart.yaml"])["version"] == "2.1.0"
        await sources.kubectl("delete", HELM, "private")
        await git_server.commit("app", {"chart/Chart.yaml": json.dumps(chart | {"version": "1.0.1"})})
        await sources.request(GIT, "app")
        found = await sources.failed(CHART, "app", "DependencyBuildError")
        text = condition(found, "BuildFailed")["message"]
        assert text.startswith(f"dependency build error: cannot get 'db' from '{repo.url}': failed to fetch")
        assert text.endswith("401: it wants credentials")


async def test_many_charts_of_one_index_read_it_once(sources, repo):
    for number in range(8):
        repo.add(f"chart{number}", "1.0.0")
    names = [f"chart{number}" for number in range(8)]
    await asyncio.gather(*(sources.apply("HelmChart", name, {"chart": name, "sourceRef": SOURCE}) for name in names))
    for name in names:
        await sources.ready(CHART, name, "1.0.0")
    assert [one for one in repo.requests if one == ("index.yaml", 200)] in (
        [("index.yaml", 200)],
        [("index.yaml", 200)] * 2,
    )


def test_the_kit_packs_charts():
    with tarfile.open(fileobj=io.BytesIO(package())) as tar:
        assert "web/Chart.yaml" in tar.getnames()
    assert targz({"a": "b"})[:2] == b"\x1f\x8b"
