from __future__ import annotations

import io
import tarfile

import obstore
import pytest
from sources_harness import BUCKET, CHART, condition

from hub.content.bucket import BucketReader, BucketSettings
from hub.dev.s3server import LocalS3

CHART_FILES = {"chart/Chart.yaml": "{apiVersion: v2, name: web, version: 1.0.0}", "chart/values.yaml": "a: 1"}


@pytest.fixture(scope="session")
async def s3(tmp_path_factory):
    async with LocalS3(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
async def bucket(s3, sources):
    """A bucket with a chart, its spec, and ``put`` for more."""
    s3.bucket(sources.namespace)
    await sources.secret("keys", accesskey=s3.access_key, secretkey=s3.secret_key)

    class Bucket:
        def __init__(self):
            keys = {"accesskey": s3.access_key, "secretkey": s3.secret_key}
            settings = BucketSettings("generic", sources.namespace, s3.address, insecure=True, credentials=keys)
            self.store = BucketReader(settings, 1 << 20)._store
            self.spec = {
                "bucketName": sources.namespace,
                "endpoint": s3.address,
                "insecure": True,
                "secretRef": {"name": "keys"},
            }

        async def put(self, **files):
            for key, text in files.items():
                await obstore.put_async(self.store, key, text.encode())

    made = Bucket()
    await made.put(**CHART_FILES)
    return made


async def test_objects_become_an_artifact_and_a_chart(sources, bucket):
    await sources.apply("Bucket", "app", bucket.spec)
    found = await sources.ready(BUCKET, "app")
    stored = found["status"]["artifact"]
    hex_ = stored["revision"].removeprefix("sha256:")
    assert stored["path"] == f"bucket/{sources.namespace}/app/{hex_}.tar.gz"
    assert condition(found, "Ready")["message"] == f"stored artifact: revision 'sha256:{hex_}'"
    event = await sources.event("app", "Normal", "NewArtifact")
    assert event["message"] == f"stored artifact with 2 fetched files from '{sources.namespace}' bucket"
    async with sources.session.get(stored["url"]) as response:
        with tarfile.open(fileobj=io.BytesIO(await response.read())) as tar:
            assert tar.getnames() == sorted(CHART_FILES)
    spec = {"chart": "./chart", "sourceRef": {"kind": "Bucket", "name": "app"}, "reconcileStrategy": "Revision"}
    await sources.apply("HelmChart", "web", spec)
    await sources.ready(CHART, "web", f"1.0.0+{hex_[:12]}")


async def test_a_change_is_seen_and_nothing_new_writes_nothing(sources, bucket):
    await sources.apply("Bucket", "app", bucket.spec)
    before = await sources.ready(BUCKET, "app")
    token = await sources.request(BUCKET, "app")
    same = await sources.until(BUCKET, "app", lambda found: found["status"]["lastHandledReconcileAt"] == token)
    assert same["status"]["artifact"] == before["status"]["artifact"]
    await bucket.put(**{"more.yaml": "x"})
    await sources.request(BUCKET, "app")
    await sources.until(
        BUCKET, "app", lambda found: found["status"]["artifact"]["digest"] != before["status"]["artifact"]["digest"]
    )
    await sources.apply("Bucket", "app", bucket.spec | {"ignore": "*.yaml"})
    found = await sources.until(BUCKET, "app", lambda found: found["status"].get("observedIgnore") == "*.yaml")
    assert found["status"]["artifact"]["size"] < before["status"]["artifact"]["size"]


@pytest.mark.parametrize(
    ("change", "reason", "message"),
    [
        pytest.param(
            {"bucketName": "missing"}, "BucketOperationFailed", "bucket 'missing' not found", id="no such bucket"
        ),
        pytest.param({"secretRef": {"name": "nope"}}, "AuthenticationFailed", "failed to get secret", id="no secret"),
        pytest.param(
            {"secretRef": {"name": "half"}},
            "AuthenticationFailed",
            "invalid 'half' secret data: required fields 'accesskey' and 'secretkey'",
            id="half a secret",
        ),
        pytest.param(
            {"insecure": False},
            "BucketOperationFailed",
            "indexation of objects from bucket",
            id="TLS where there is none",
        ),
        pytest.param(
            {"secretRef": None, "sts": {"provider": "ldap", "endpoint": "http://127.0.0.1:9"}},
            "InvalidSTSConfiguration",
            "spec.sts.provider 'ldap' needs spec.sts.secretRef",
            id="LDAP without a login",
        ),
        pytest.param(
            {
                "secretRef": None,
                "sts": {"provider": "ldap", "endpoint": "http://127.0.0.1:9", "secretRef": {"name": "login"}},
            },
            "AuthenticationFailed",
            "no token from provider 'generic': 127.0.0.1:9 refused the connection",
            id="no LDAP service",
        ),
    ],
)
async def test_failures_are_told_and_the_last_artifact_stays(sources, bucket, change, reason, message):
    await sources.secret("half", accesskey="a")
    await sources.secret("login", username="bob", password="pass")
    await sources.apply("Bucket", "app", bucket.spec)
    before = await sources.ready(BUCKET, "app")
    await sources.apply("Bucket", "app", bucket.spec | change)
    found = await sources.failed(BUCKET, "app", reason)
    assert condition(found, "FetchFailed")["message"].startswith(message)
    assert found["status"]["artifact"] == before["status"]["artifact"]
