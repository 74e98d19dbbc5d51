from __future__ import annotations

import io
import json
import tarfile
import time

import pytest
from aiohttp import web
from repository_kit import Pusher, package, targz
from sources_harness import OCI, condition

from hub.content.http import Connection, Tls
from hub.content.oci.credentials import Credentials
from hub.content.oci.manifest import CHART_CONFIG, CHART_CONTENT, FLUX_CONTENT
from hub.content.oci.reference import parse_repository
from hub.dev.certs import Authority
from hub.dev.registry import LocalRegistry

FILES = {"app.yaml": "a: 1\n", "docs/read.md": "x", "image.png": "x"}


@pytest.fixture
async def artifact(sources, registry_server, tmp_path):
    """A repository with the tags 1.0.0, 1.1.0 and 2.0.0-rc.1."""
    name = registry_server.repository(f"{sources.namespace}/app")
    pusher = Pusher(sources.session, tmp_path)
    notes = {"org.opencontainers.image.source": "https://git/x", "org.opencontainers.image.revision": "main@sha1:1"}
    pusher.digests = {}
    for tag in ("1.0.0", "1.1.0", "2.0.0-rc.1"):
        data = targz(FILES | {"tag": tag})
        pusher.digests[tag] = await pusher.push(name, tag, data, FLUX_CONTENT, annotations=notes)
    pusher.name = name
    return pusher


def spec(artifact, **more):
    return {"url": f"oci://{artifact.name}", "insecure": True} | more


async def names(sources, found):
    async with sources.session.get(found["status"]["artifact"]["url"]) as response:
        data = await response.read()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: tar.extractfile(member).read().decode() for member in tar}


async def test_a_tag_becomes_an_artifact(sources, artifact):
    await sources.apply("OCIRepository", "app", spec(artifact, ref={"tag": "1.0.0"}))
    digest = artifact.digests["1.0.0"]
    found = await sources.ready(OCI, "app", f"1.0.0@{digest}")
    stored = found["status"]["artifact"]
    assert stored["path"] == f"ocirepository/{sources.namespace}/app/{digest}.tar.gz"
    assert stored["metadata"]["org.opencontainers.image.source"] == "https://git/x"
    assert condition(found, "Ready")["message"] == f"stored artifact for digest '1.0.0@{digest}'"
    event = await sources.event("app", "Normal", "NewArtifact")
    assert event["message"] == (
        f"stored artifact with revision '1.0.0@{digest}' from 'oci://{artifact.name}', "
        "origin source 'https://git/x', origin revision 'main@sha1:1'"
    )
    assert set(await names(sources, found)) == {"app.yaml", "docs/read.md", "tag"}, "the built-in rules apply"


@pytest.mark.parametrize(
    ("ref", "tag"),
    [
        pytest.param({"semver": ">=1.0.0"}, "1.1.0", id="a range"),
        pytest.param({"semver": ">=1.0.0-0"}, "2.0.0-rc.1", id="with pre-releases"),
        pytest.param({"semver": ">=1.0.0-0", "semverFilter": r"^1\."}, "1.1.0", id="filtered"),
        pytest.param({"semver": "1.0.x", "tag": "1.1.0"}, "1.0.0", id="a range wins over a tag"),
    ],
)
async def test_which_tag(sources, artifact, ref, tag):
    await sources.apply("OCIRepository", "app", spec(artifact, ref=ref))
    await sources.ready(OCI, "app", f"{tag}@{artifact.digests[tag]}")


async def test_a_digest_wins_and_is_the_revision(sources, artifact):
    digest = artifact.digests["1.0.0"]
    await sources.apply("OCIRepository", "app", spec(artifact, ref={"digest": digest, "semver": "2.x", "tag": "1.1.0"}))
    await sources.ready(OCI, "app", digest)


async def test_ignore_and_the_selector_make_another_artifact(sources, artifact):
    await sources.apply("OCIRepository", "app", spec(artifact, ref={"tag": "1.0.0"}))
    first = await sources.ready(OCI, "app")
    await sources.apply("OCIRepository", "app", spec(artifact, ref={"tag": "1.0.0"}, ignore="*.md"))
    second = await sources.ready(OCI, "app")
    assert second["status"]["observedIgnore"] == "*.md"
    assert set(await names(sources, second)) == {"app.yaml", "image.png", "tag"}
    selector = {"mediaType": FLUX_CONTENT, "operation": "copy"}
    await sources.apply("OCIRepository", "app", spec(artifact, ref={"tag": "1.0.0"}, layerSelector=selector))
    third = await sources.ready(OCI, "app")
    assert third["status"]["observedLayerSelector"] == selector
    assert set(await names(sources, third)) == {*FILES, "tag"}, "as it is"
    digests = {one["status"]["artifact"]["digest"] for one in (first, second, third)}
    assert len(digests) == 3


async def test_a_tag_that_moves(sources, artifact):
    await sources.apply("OCIRepository", "app", spec(artifact, ref={"tag": "1.0.0"}))
    before = await sources.ready(OCI, "app")
    token = await sources.request(OCI, "app")
    same = await sources.until(OCI, "app", lambda found: found["status"]["lastHandledReconcileAt"] == token)
    assert same["status"]["artifact"] == before["status"]["artifact"]
    digest = await artifact.push(artifact.name, "1.0.0", targz({"b": "2"}), FLUX_CONTENT)
    await sources.request(OCI, "app")
    found = await sources.ready(OCI, "app", f"1.0.0@{digest}")
    assert set(await names(sources, found)) == {"b"}


def link(name, target, kind=tarfile.SYMTYPE):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return {name: entry}


def device(name):
    entry = tarfile.TarInfo(name)
    entry.type = tarfile.CHRTYPE
    return {name: entry}


def bomb():
    entry = tarfile.TarInfo("zeros")
    entry.size = 600 << 20  # what is said is believed: nothing has to be unpacked to find out
    return {"zeros": entry}


EXTRACT = "failed to extract layer contents from artifact: "


@pytest.mark.parametrize(
    ("data", "reason", "message"),
    [
        pytest.param(
            targz({"../../x": "1"}),
            "OCIArtifactLayerOperationFailed",
            f"{EXTRACT}the archive wants to write",
            id="parent",
        ),
        pytest.param(
            targz({"/etc/x": "1"}),
            "OCIArtifactLayerOperationFailed",
            f"{EXTRACT}the archive wants to write",
            id="absolute",
        ),
        pytest.param(
            targz(link("a", "../../etc/passwd")),
            "OCIArtifactLayerOperationFailed",
            f"{EXTRACT}the archive holds 'a', a link that leaves its folder",
            id="symbolic link",
        ),
        pytest.param(
            targz(link("a", "/etc/passwd", tarfile.LNKTYPE)),
            "OCIArtifactLayerOperationFailed",
            f"{EXTRACT}the archive holds 'a', a link that leaves its folder",
            id="hard link",
        ),
        pytest.param(
            targz(device("null")),
            "OCIArtifactLayerOperationFailed",
            f"{EXTRACT}the archive holds 'null', which is neither a file nor a folder",
            id="device",
        ),
        pytest.param(
            targz(bomb()),
            "OCIArtifactLayerOperationFailed",
            f"{EXTRACT}the archive unpacks to more than 536870912 bytes",
            id="bomb",
        ),
        pytest.param(b"text", "OCIArtifactLayerOperationFailed", f"{EXTRACT}not a readable .tar.gz", id="no archive"),
        pytest.param(
            targz({"a": "1"})[:40], "OCIArtifactLayerOperationFailed", f"{EXTRACT}not a readable .tar.gz", id="cut"
        ),
    ],
)
async def test_hostile_layers_are_refused_and_the_last_artifact_stays(*, sources, artifact, data, reason, message):
    await sources.apply("OCIRepository", "app", spec(artifact, ref={"tag": "1.0.0"}))
    before = await sources.ready(OCI, "app")
    await artifact.push(artifact.name, "1.0.0", data, FLUX_CONTENT)
    await sources.request(OCI, "app")
    found = await sources.failed(OCI, "app", reason)
    assert condition(found, "FetchFailed")["message"].startswith(message)
    assert found["status"]["artifact"] == before["status"]["artifact"]


@pytest.mark.parametrize(
    ("more", "reason", "message"),
    [
        pytest.param(
            {"ref": {"tag": "nope"}}, "OCIArtifactPullFailed", "failed to determine artifact digest: ", id="no such tag"
        ),
        pytest.param(
            {"ref": {"semver": "9.x"}},
            "ReadOperationFailed",
            "failed to determine the artifact tag for 'oci://{name}': no match found for semver: 9.x",
            id="no such version",
        ),
        pytest.param(
            {"ref": {"semver": "1.x", "semverFilter": "("}},
            "ReadOperationFailed",
            "failed to determine the artifact tag for 'oci://{name}': ",
            id="no regular expression",
        ),
        pytest.param(
            {"ref": {"tag": "1.0.0"}, "layerSelector": {"mediaType": "x/y"}},
            "OCIArtifactLayerOperationFailed",
            "failed to find layer with media type 'x/y' in artifact",
            id="no such layer",
        ),
        pytest.param(
            {"insecure": False, "ref": {"tag": "1.0.0"}},
            "OCIArtifactPullFailed",
            "failed to determine artifact digest: ",
            id="TLS where there is none",
        ),
    ],
)
async def test_failures(sources, artifact, more, reason, message):
    await sources.apply("OCIRepository", "app", spec(artifact, **more))
    found = await sources.failed(OCI, "app", reason)
    assert condition(found, "FetchFailed")["message"].startswith(message.format(name=artifact.name))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("oci://ghcr.io/a/b:1", "URL must not contain a tag; remove ':1'", id="tag"),
        pytest.param("oci://ghcr.io/A/b", "could not parse reference: 'A/b'", id="capital letters"),
    ],
)
async def test_bad_urls_stall(sources, url, message):
    await sources.apply("OCIRepository", "app", {"url": url})
    found = await sources.failed(OCI, "app", "URLInvalid")
    assert condition(found, "Stalled")["message"].startswith(f"URL validation failed for '{url}': {message}")


async def test_pull_secrets_of_a_secret_and_of_a_service_account(sources, tmp_path):
    async with LocalRegistry(tmp_path / "private", username="user", password="s3cret") as server:
        name = server.repository("app")
        digest = await Pusher(sources.session, tmp_path, Credentials("user", "s3cret")).push(
            name, "1.0.0", targz(FILES), FLUX_CONTENT
        )
        auths = {"auths": {server.address: {"username": "user", "password": "s3cret"}}}
        await sources.apply("OCIRepository", "app", {"url": f"oci://{name}", "insecure": True, "ref": {"tag": "1.0.0"}})
        found = await sources.failed(OCI, "app", "OCIArtifactPullFailed")
        assert "wants a user name and a password" in condition(found, "Ready")["message"]
        await sources.secret("pull", **{".dockerconfigjson": json.dumps(auths)})
        ref = {"url": f"oci://{name}", "insecure": True, "ref": {"tag": "1.0.0"}}
        await sources.apply("OCIRepository", "app", ref | {"secretRef": {"name": "pull"}})
        await sources.ready(OCI, "app", f"1.0.0@{digest}")
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "puller"}}
        await sources.kubectl("apply", "-f", "-", input=json.dumps(account | {"imagePullSecrets": [{"name": "pull"}]}))
        await sources.apply("OCIRepository", "other", ref | {"serviceAccountName": "puller"})
        await sources.ready(OCI, "other", f"1.0.0@{digest}")
        await sources.apply("OCIRepository", "third", ref | {"secretRef": {"name": "nope"}})
        found = await sources.failed(OCI, "third", "AuthenticationFailed")
        assert 'secrets "nope" not found' in condition(found, "Ready")["message"]


async def test_a_chart_is_kept_as_it_is(sources, artifact):
    data = package("web", "1.2.3+b.1")
    digest = await artifact.push(artifact.name, "1.2.3_b.1", data, CHART_CONTENT, config=CHART_CONFIG)
    selector = {"mediaType": CHART_CONTENT, "operation": "copy"}
    await sources.apply("OCIRepository", "app", spec(artifact, ref={"semver": "1.2.x"}, layerSelector=selector))
    found = await sources.ready(OCI, "app", f"1.2.3_b.1@{digest}")
    assert "web/Chart.yaml" in await names(sources, found)


async def test_old_artifacts_go_and_two_stay(sources, artifact):
    await sources.apply("OCIRepository", "app", spec(artifact, ref={"tag": "1.0.0"}))
    await sources.ready(OCI, "app")
    clock = sources.store._clock
    sources.store._clock = lambda: time.time() + 120
    for number in range(4):
        digest = await artifact.push(artifact.name, "1.0.0", targz({"n": str(number)}), FLUX_CONTENT)
        await sources.request(OCI, "app")
        found = await sources.ready(OCI, "app", f"1.0.0@{digest}")
    sources.store._clock = clock
    folder = sources.store.file(found["status"]["artifact"]["path"]).parent
    assert len(list(folder.iterdir())) == 2
    await sources.kubectl("delete", OCI, "app", "--timeout=15s")
    assert not folder.exists()


async def test_a_registry_that_wants_to_be_asked_later_is(sources):
    asked = []

    async def registry(request):
        asked.append(request.path)
        if len(asked) == 1:
            return web.Response(status=429, headers={"Retry-After": "1"})
        return web.Response(status=404)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", registry)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host = f"127.0.0.1:{runner.addresses[0][1]}"
    try:
        await sources.apply("OCIRepository", "app", {"url": f"oci://{host}/app", "insecure": True})
        found = await sources.failed(OCI, "app", "OCIArtifactPullFailed")
        text = condition(found, "Ready")["message"]
        assert text.startswith(f"failed to determine artifact digest: {host}/app: ")
        await sources.until(OCI, "app", lambda found: "not found" in condition(found, "Ready")["message"])
    finally:
        await runner.cleanup()


async def test_certificates_and_proxies_come_from_secrets(sources, tmp_path):
    authority = Authority(tmp_path, "ca")
    async with LocalRegistry(tmp_path / "tls", pair=authority.server("registry")) as server:
        name = server.repository("app")
        connection = Connection(Tls(authority.pair.cert.read_bytes()))
        pusher = Pusher(sources.session, tmp_path)
        pusher.open = lambda repository: pusher.registries.open(parse_repository(repository), connection=connection)
        digest = await pusher.push(name, "1.0.0", targz(FILES), FLUX_CONTENT)
        given = {"url": f"oci://{name}", "ref": {"tag": "1.0.0"}}
        await sources.secret("ca", caFile=authority.pair.cert.read_text())
        await sources.secret("empty", other="x")
        await sources.secret("broken", **{"ca.crt": "x"})
        await sources.secret("proxy", address="http://127.0.0.1:9")
        await sources.secret("socks", address="socks5://127.0.0.1:9")
        bad = "failed to configure authentication options: secret '{ns}/{name}' "
        rows = {
            "untrusted": ({}, "OCIArtifactPullFailed", "failed to determine artifact digest: the certificate of "),
            "empty": (
                {"certSecretRef": {"name": "empty"}},
                "AuthenticationFailed",
                bad + "has neither 'ca.crt' nor 'tls.crt' and 'tls.key'",
            ),
            "broken": (
                {"certSecretRef": {"name": "broken"}},
                "AuthenticationFailed",
                bad + "cannot be used: 'ca.crt' does not hold a PEM certificate",
            ),
            "proxy": (
                {"proxySecretRef": {"name": "proxy"}},
                "OCIArtifactPullFailed",
                "failed to determine artifact digest: cannot reach the proxy 127.0.0.1:9",
            ),
            "socks": (
                {"proxySecretRef": {"name": "socks"}},
                "AuthenticationFailed",
                bad + "cannot be used: the proxy address must look like http://host:port",
            ),
        }
        for row, (more, _, _) in rows.items():
            await sources.apply("OCIRepository", row, given | more)
        await sources.apply("OCIRepository", "app", given | {"certSecretRef": {"name": "ca"}})
        await sources.ready(OCI, "app", f"1.0.0@{digest}")
        for row, (_, reason, message) in rows.items():
            found = await sources.failed(OCI, row, reason)
            assert condition(found, "Ready")["message"].startswith(message.format(ns=sources.namespace, name=row))
