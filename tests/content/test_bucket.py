from __future__ import annotations

import asyncio
import tarfile

import obstore
import pytest

from hub.content.bucket import (
    BadBucketError,
    BucketFailed,
    BucketObject,
    BucketReader,
    BucketSettings,
    Listing,
    explain,
)
from hub.dev.certs import Authority
from hub.dev.s3server import LocalS3

KEYS = {"accesskey": "access", "secretkey": "secret"}


@pytest.fixture(scope="session")
async def s3(tmp_path_factory):
    async with LocalS3(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
async def bucket(s3, request):
    """The settings of a bucket with a few objects, put there through the API."""
    name = f"b{abs(hash(request.node.name)) % 10**9}"
    s3.bucket(name)
    settings = BucketSettings("generic", name, s3.address, insecure=True, credentials=KEYS, timeout=5)
    for key in ("a.txt", "apps/web.yaml", "apps/x y.yaml", "apps-old/web.yaml", "docs/read.md"):
        await put(settings, key, key.encode())
    return settings


async def put(settings, key, data):
    await obstore.put_async(BucketReader(settings, 1 << 20)._store, key, data)


def keys(listing):
    return [one.key for one in listing.objects]


async def archived(reader, listing, tmp_path):
    (tmp_path / "objects").mkdir(exist_ok=True)
    await reader.archive(listing, tmp_path / "objects", tmp_path / "artifact.tar.gz")
    with tarfile.open(tmp_path / "artifact.tar.gz") as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


@pytest.mark.parametrize(
    ("prefix", "ignore", "want"),
    [
        pytest.param(
            "", None, ["a.txt", "apps-old/web.yaml", "apps/web.yaml", "apps/x y.yaml", "docs/read.md"], id="everything"
        ),
        pytest.param("apps/", None, ["apps/web.yaml", "apps/x y.yaml"], id="a folder"),
        pytest.param("apps", None, ["apps-old/web.yaml", "apps/web.yaml", "apps/x y.yaml"], id="the start of a key"),
        pytest.param("apps/w", None, ["apps/web.yaml"], id="the start of a file"),
        pytest.param("", "/*\n!/docs\n", ["docs/read.md"], id="ignored"),
        pytest.param("nope", None, [], id="nothing"),
    ],
)
async def test_listing(bucket, prefix, ignore, want):
    assert keys(await BucketReader(bucket, 1 << 20).listing(prefix, ignore)) == want


async def test_sourceignore_of_the_root_counts_and_stays_out(bucket, tmp_path):
    await put(bucket, ".sourceignore", b"apps*/\n")
    reader = BucketReader(bucket, 1 << 20)
    listing = await reader.listing("", None)
    assert await archived(reader, listing, tmp_path) == {"a.txt": b"a.txt", "docs/read.md": b"docs/read.md"}


async def test_the_revision_changes_with_an_object_only(bucket):
    reader = BucketReader(bucket, 1 << 20)
    first = await reader.listing("", None)
    assert (await reader.listing("", None)).revision == first.revision
    await put(bucket, "a.txt", b"other")
    second = await reader.listing("", None)
    assert second.revision != first.revision
    changed = [one.key for one, two in zip(first.objects, second.objects, strict=True) if one != two]
    assert changed == ["a.txt"]


async def test_the_limit_is_of_all_objects(bucket):
    with pytest.raises(BucketFailed, match=r"have more than 20 bytes: set spec\.prefix"):
        await BucketReader(bucket, 20).listing("", None)


async def test_an_object_that_is_gone_or_changed_meanwhile(bucket, tmp_path):
    reader = BucketReader(bucket, 1 << 20)
    (tmp_path / "objects").mkdir()
    for key, size, message in (("gone", 1, "fetch from bucket"), ("a.txt", 9, "was cut"), ("a.txt", 2, "larger than")):
        listing = Listing((BucketObject(key, "e", size),), "r")
        with pytest.raises(BucketFailed, match=message):
            await reader.archive(listing, tmp_path / "objects", tmp_path / "artifact.tar.gz")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param(["../x"], "would lead outside", id="parent"),
        pytest.param(["/x"], "would lead outside", id="absolute"),
        pytest.param(["a//b"], "would lead outside", id="empty part"),
        pytest.param(["a", "a/b"], "'a' is a file and a folder", id="file and folder"),
    ],
)
async def test_keys_that_are_no_files(bucket, tmp_path, given, message):
    listing = Listing(tuple(BucketObject(key, "e", 1) for key in given), "r")
    with pytest.raises(BucketFailed, match=message):
        await BucketReader(bucket, 1 << 20).archive(listing, tmp_path, tmp_path / "artifact.tar.gz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"name": "missing"}, "bucket 'missing' not found", id="no such bucket"),
        pytest.param(
            {"credentials": KEYS | {"secretkey": "s3cret"}},
            "SignatureDoesNotMatch: .*check the keys",
            id="wrong secret",
        ),
        pytest.param({"credentials": KEYS | {"accesskey": "me"}}, "XAdminUserNotFound", id="wrong user"),
        pytest.param({"credentials": {}}, "AccessDenied", id="nobody"),
        pytest.param({"endpoint": "127.0.0.1:9"}, "it refused the connection", id="nobody listens"),
        pytest.param({"endpoint": "nope.invalid"}, "its host name cannot be resolved", id="no such host"),
        pytest.param({"insecure": False}, "it does not speak TLS", id="TLS where there is none"),
    ],
)
async def test_why_a_bucket_cannot_be_read(bucket, change, message):
    values = {name: getattr(bucket, name) for name in bucket.__slots__} | change
    with pytest.raises(BucketFailed, match=message) as caught:
        await BucketReader(BucketSettings(**values), 1 << 20).listing("", None)
    assert "s3cret" not in str(caught.value)


async def test_a_private_authority(tmp_path):
    authority = Authority(tmp_path, "ca")
    async with LocalS3(tmp_path / "s3", pair=authority.server("s3")) as server:
        server.bucket("app").joinpath("a").write_text("1")
        ours = BucketSettings(
            "generic", "app", server.address, credentials=KEYS, ca=authority.pair.cert.read_bytes(), timeout=5
        )
        assert keys(await BucketReader(ours, 100).listing("", None)) == ["a"]
        strange = BucketSettings("generic", "app", server.address, credentials=KEYS, timeout=5)
        with pytest.raises(BucketFailed, match="signed by an unknown authority"):
            await BucketReader(strange, 100).listing("", None)


async def test_a_server_that_stalls(tmp_path):
    released = asyncio.Event()

    async def stall(_reader, writer):
        await released.wait()
        writer.close()

    server = await asyncio.start_server(stall, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = BucketSettings("generic", "app", f"127.0.0.1:{port}", insecure=True, timeout=0.2)
    with pytest.raises(BucketFailed, match="it did not answer in time"):
        await BucketReader(settings, 100).listing("", None)
    released.set()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    ("provider", "credentials", "message"),
    [
        pytest.param("generic", {"accesskey": "a"}, "required fields 'accesskey' and 'secretkey'", id="half"),
        pytest.param("gcp", {"key": "a"}, "required fields 'serviceaccount'", id="gcp"),
        pytest.param("azure", {"clientCertificate": "s3cret"}, "required fields 'clientId', 'accountKey'", id="azure"),
    ],
)
def test_bad_settings(provider, credentials, message):
    with pytest.raises(BadBucketError, match=message) as caught:
        BucketReader(BucketSettings(provider, "app", "example.com", credentials=credentials), 100)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("provider", "credentials"),
    [
        pytest.param("aws", {}, id="aws, as nobody"),
        pytest.param("azure", {"accountKey": "a2V5"}, id="azure, account key"),
        pytest.param("azure", {"sasKey": "?sv=1&sig=2"}, id="azure, SAS"),
    ],
)
def test_other_providers_open(provider, credentials):
    BucketReader(BucketSettings(provider, "app", "https://acc.blob.core.windows.net", credentials=credentials), 100)


def test_explain_takes_code_and_message_only():
    text = "<Error><Code>Oops</Code><Message>Went wrong.</Message><AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>"
    settings = BucketSettings("aws", "b", "s3.amazonaws.com")
    assert explain(text, settings) == "Oops: Went wrong."
    azure = "<Error>\n  <Code>AuthorizationFailure</Code>\n  <Message>No.\nRequestId:1</Message></Error>"
    assert explain(azure, settings) == "AuthorizationFailure: No. (check the keys in the Secret)"
    assert explain("status code: 503 Service Unavailable: <html>", settings) == (
        "'s3.amazonaws.com' answered 503 Service Unavailable"
    )
