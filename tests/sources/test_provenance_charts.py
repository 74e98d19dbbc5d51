"""Charts whose provenance is checked: an annotation of ours, packages and signatures of real helm."""

from __future__ import annotations

import pytest
from provenance_kit import HelmKey, signed_package
from repository_kit import ChartRepo, Pusher
from sources_harness import CHART, GIT, condition

from hub.api.source import VERIFY_PROVENANCE
from hub.content.oci.manifest import CHART_CONFIG, CHART_CONTENT, CHART_PROVENANCE

SOURCE = {"kind": "HelmRepository", "name": "charts"}
FAILED = "failed to verify the provenance of the chart: "


@pytest.fixture(scope="module")
def key():
    return HelmKey()


@pytest.fixture
async def package(helm_binary, tmp_path, key):
    return await signed_package(helm_binary, tmp_path, key)


def wanted(secret, **spec):
    return {"annotations": {VERIFY_PROVENANCE: secret}}, {"chart": "web", "sourceRef": SOURCE} | spec


async def test_packages_of_an_index(sources, package, key):
    data, text = package
    await sources.secret("keys", us=key.public)
    await sources.secret("others", them=HelmKey().public)
    async with ChartRepo() as repo:
        repo.packages["web", "1.0.0"] = data
        await sources.apply("HelmRepository", "charts", {"url": repo.url})
        meta, spec = wanted("keys")
        await sources.apply("HelmChart", "web", spec, **meta)
        found = await sources.failed(CHART, "web", "VerificationError")
        verified = condition(found, "SourceVerified")
        assert verified["status"] == "False"
        assert verified["message"].startswith(
            f"{FAILED}it cannot be had: failed to fetch {repo.url}/web-1.0.0.tgz.prov"
        )
        assert "artifact" not in found["status"]

        repo.provenance["web-1.0.0.tgz"] = text.replace(b"version: 1.0.0", b"version: 1.0.1")
        await sources.request(CHART, "web")
        await sources.until(CHART, "web", lambda found: "unable to verify" in condition(found, "Ready")["message"])
        repo.provenance["web-1.0.0.tgz"] = text
        await sources.request(CHART, "web")
        found = await sources.ready(CHART, "web", "1.0.0")
        good = f"verified provenance of version 1.0.0 with key '{key.id}' of secret 'keys'"
        assert condition(found, "SourceVerified")["message"] == good

        meta, spec = wanted("others")
        await sources.apply("HelmChart", "web", spec, **meta)
        found = await sources.failed(CHART, "web", "VerificationError")
        assert condition(found, "Ready")["message"].startswith(f"{FAILED}unable to verify payload with any")
        assert found["status"]["artifact"]["revision"] == "1.0.0", "the last good one stays"

        await sources.kubectl("annotate", CHART, "web", f"{VERIFY_PROVENANCE}-")
        await sources.until(
            CHART,
            "web",
            lambda found: (
                condition(found, "Ready")["status"] == "True"
                and "SourceVerified" not in {one["type"] for one in found["status"]["conditions"]}
            ),
        )


async def test_packages_in_a_registry(sources, registry_server, package, key, tmp_path):
    data, text = package
    repository, pusher = registry_server.repository(f"{sources.namespace}/charts"), Pusher(sources.session, tmp_path)
    await sources.secret("keys", us=key.public)
    await sources.apply("HelmRepository", "charts", {"url": f"oci://{repository}", "type": "oci", "insecure": True})
    push = (f"{repository}/web", "1.0.0", data, CHART_CONTENT)
    await pusher.push(*push, config=CHART_CONFIG)
    meta, spec = wanted("keys")
    await sources.apply("HelmChart", "web", spec, **meta)
    found = await sources.failed(CHART, "web", "VerificationError")
    assert condition(found, "Ready")["message"].endswith(f"has no layer of type {CHART_PROVENANCE}")
    await pusher.push(*push, config=CHART_CONFIG, more=[(CHART_PROVENANCE, text)])
    await sources.request(CHART, "web")
    found = await sources.ready(CHART, "web", "1.0.0")
    assert condition(found, "SourceVerified")["message"].startswith("verified provenance of version 1.0.0 with key ")


async def test_folders_have_no_provenance(sources, repo):
    await sources.apply("GitRepository", "app", {"url": repo.url("app")})
    await sources.ready(GIT, "app")
    meta, spec = wanted("keys", sourceRef={"kind": "GitRepository", "name": "app"})
    await sources.apply("HelmChart", "web", spec, **meta)
    found = await sources.failed(CHART, "web", "UnsupportedField")
    assert condition(found, "Stalled")["message"] == f"annotation {VERIFY_PROVENANCE} needs a HelmRepository"
