"""
Buckets of clouds, with what ends: a server on the loopback interface speaks for the stores and checks who asks.

What it answers is what the stores' documentation shows: lists as XML (S3, Google's XML API, Azure's Blob service).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from urllib.parse import unquote

import pytest
from aiohttp import web
from cloud_kit import CLIENT, ROLE, TENANT, CloudServer, workload
from cryptography.hazmat.primitives import serialization

from hub.content.bucket import BucketFailed, BucketReader, BucketSettings
from hub.content.cloud.buckets import BucketAccess, Service, renewal
from hub.content.cloud.clouds import Clouds
from hub.content.cloud.identity import NoToken
from hub.content.http import Proxy

OBJECTS = {"a.txt": b"one", "apps/web.yaml": b"two"}
ACCOUNT_KEY = base64.b64encode(b"the key of the account").decode()
S3_LIST = """<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated>{}
</ListBucketResult>"""
S3_OBJECT = """<Contents><Key>{key}</Key><LastModified>2026-11-21T12:00:00.000Z</LastModified><ETag>"{etag}"</ETag>
<Size>{size}</Size></Contents>"""
AZURE_LIST = """<?xml version="1.0" encoding="utf-8"?>
<EnumerationResults ContainerName="b"><Blobs>{}</Blobs><NextMarker /></EnumerationResults>"""
AZURE_OBJECT = """<Blob><Name>{key}</Name><Properties><Last-Modified>Sat, 21 Nov 2026 12:00:00 GMT</Last-Modified>
<Etag>{etag}</Etag><Content-Length>{size}</Content-Length><Content-Type>text/plain</Content-Type>
<BlobType>BlockBlob</BlobType></Properties></Blob>"""


class Stores(CloudServer):
    """The clouds' endpoints, and their stores with one bucket: ``b``."""

    def __init__(self):
        super().__init__()
        self.check = self.check_bearer
        self.served = 0

    async def _endpoint(self, request):
        path = unquote(request.path)
        if not (path == "/b" or path.startswith("/b/")):
            return await super()._endpoint(request)
        self.check(request)
        self.served += 1
        key = path.removeprefix("/b").strip("/")
        if key:
            data = OBJECTS[key]
            tag = hashlib.sha256(data).hexdigest()
            return web.Response(
                body=data, headers={"ETag": f'"{tag}"', "Last-Modified": "Sat, 21 Nov 2026 12:00:00 GMT"}
            )
        whole, one = (AZURE_LIST, AZURE_OBJECT) if request.query.get("comp") == "list" else (S3_LIST, S3_OBJECT)
        parts = [
            one.format(key=key, etag=hashlib.sha256(data).hexdigest(), size=len(data)) for key, data in OBJECTS.items()
        ]
        return web.Response(text=whole.format("".join(parts)), content_type="application/xml")

    def check_bearer(self, request):
        self._bearer(request)

    def check_sas(self, request):
        assert request.query["sig"] == "abc="
        assert "Authorization" not in request.headers

    def check_s3(self, request):
        self.check_signature(request, b"", content=request.headers["x-amz-content-sha256"])

    def check_shared_key(self, request):
        """The signature of Azure's Shared Key, as its documentation has it."""
        sent = {name.lower(): value for name, value in request.headers.items()}
        names = sorted(name for name in sent if name.startswith("x-ms-"))
        lines = ["GET", *[""] * 5, sent["date"], *[""] * 5, *(f"{name}:{sent[name]}" for name in names)]
        lines.append(f"/acc{request.path}")
        lines += [f"{name}:{request.query[name]}" for name in sorted(request.query)]
        digest = hmac.new(base64.b64decode(ACCOUNT_KEY), "\n".join(lines).encode(), hashlib.sha256).digest()
        assert sent["authorization"] == f"SharedKey acc:{base64.b64encode(digest).decode()}"


@pytest.fixture
async def stores():
    async with Stores() as server:
        yield server


def certificate(folder, rsa_key):
    """A certificate and its key as one PEM, as a Secret holds them."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hub")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, rsa_key[0].public_key(), 1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(rsa_key[0], hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode() + rsa_key[1]


async def read(stores, access, folder, environ=None):
    """Read the bucket as the controller does."""
    endpoint = ENDPOINTS.get(access.provider, stores.address)
    access = replace(access, endpoint=endpoint)
    settings = BucketSettings(
        access.provider, "b", endpoint, "eu-west-1", insecure=True, credentials=access.credentials,
        renew=renewal(Clouds(environ or stores.environ), access), timeout=5, proxy=Proxy(stores.url),
    )  # fmt: skip
    reader = BucketReader(settings, 1 << 20)
    listing = await reader.listing("", None)
    (folder / "objects").mkdir()
    await reader.archive(listing, folder / "objects", folder / "artifact.tar.gz")
    return {one.key: one.size for one in listing.objects}


ENDPOINTS = {"azure": "http://acc.blob.core.windows.net", "gcp": "storage.googleapis.com"}
"""Which the server is the proxy of."""
ON_AWS = {"eks.amazonaws.com/role-arn": ROLE}
WANT = {key: len(data) for key, data in OBJECTS.items()}


@pytest.mark.parametrize(
    ("provider", "annotations"),
    [
        pytest.param("aws", {"eks.amazonaws.com/role-arn": ROLE}, id="aws"),
        pytest.param(
            "azure",
            {"azure.workload.identity/client-id": CLIENT, "azure.workload.identity/tenant-id": TENANT},
            id="azure",
        ),
        pytest.param("gcp", {}, id="gcp"),
    ],
)
@pytest.mark.parametrize("who", ["the hub", "a service account"])
async def test_identities(*, stores, tmp_path, provider, annotations, who):
    if provider == "aws":
        stores.check = stores.check_s3
    account = workload(**annotations) if who == "a service account" else None
    access = BucketAccess(provider, region="eu-west-1", workload=account)
    assert await read(stores, access, tmp_path) == WANT
    assert stores.served == 1 + len(OBJECTS)
    exchanges = [one for one in stores.asked if one.startswith("POST")]
    assert len(exchanges) == (account is not None), "once for all requests"


async def test_the_key_of_a_google_account(stores, tmp_path, rsa_key):
    stores.public_key = rsa_key[0].public_key()
    key = {"type": "service_account", "client_email": "a@b.c", "private_key": rsa_key[1]}
    key["token_uri"] = f"{stores.url}/token"
    access = BucketAccess("gcp", credentials={"serviceaccount": json.dumps(key)})
    assert await read(stores, access, tmp_path) == WANT


@pytest.mark.parametrize("how", ["secret", "certificate", "managed identity"])
async def test_a_client_of_azure(stores, tmp_path, rsa_key, how):
    stores.public_key = rsa_key[0].public_key()
    given = {
        "secret": {"tenantId": TENANT, "clientSecret": "hush"},
        "certificate": {"tenantId": TENANT, "clientCertificate": certificate(tmp_path, rsa_key)},
        "managed identity": {},
    }[how]
    access = BucketAccess("azure", credentials={"clientId": CLIENT, "authorityHost": stores.url, **given})
    assert await read(stores, access, tmp_path) == WANT
    assert stores.count(f"client_id={CLIENT}") == (how == "managed identity")


@pytest.mark.parametrize("how", ["accountKey", "sasKey"])
async def test_what_never_ends_on_azure(stores, tmp_path, how):
    stores.check = stores.check_shared_key if how == "accountKey" else stores.check_sas
    value = ACCOUNT_KEY if how == "accountKey" else "?sv=2023-11-03&sig=abc%3D"
    assert await read(stores, BucketAccess("azure", credentials={how: value}), tmp_path) == WANT


async def test_keys_by_ldap_and_another_token_service_of_aws(stores, tmp_path):
    stores.check = stores.check_s3
    by_ldap = BucketAccess("generic", service=Service(stores.url, "bob", "pass"))
    assert await read(stores, by_ldap, tmp_path) == WANT
    (tmp_path / "token").write_text("federated")
    environ = stores.environ | {"AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"), "AWS_ROLE_ARN": ROLE}
    (tmp_path / "aws").mkdir()
    by_sts = BucketAccess("aws", service=Service(f"{stores.url}/"))
    assert await read(stores, by_sts, tmp_path / "aws", environ) == WANT


@pytest.mark.parametrize(
    ("access", "message"),
    [
        pytest.param(
            BucketAccess("gcp", credentials={"serviceaccount": "s3cret"}), "the JSON key is not JSON", id="gcp, no JSON"
        ),
        pytest.param(
            BucketAccess("gcp", credentials={"serviceaccount": '{"client_email": "x"}'}),
            "the JSON key gave no 'private_key'",
            id="gcp, half a key",
        ),
        pytest.param(
            BucketAccess("gcp", credentials={"serviceaccount": '{"client_email": "x", "private_key": "s3cret"}'}),
            "'private_key' is not a private RSA key",
            id="gcp, no key",
        ),
        pytest.param(
            BucketAccess("azure", credentials={"tenantId": TENANT, "clientId": CLIENT}),
            "neither 'clientSecret' nor 'clientCertificate'",
            id="azure, half a login",
        ),
        pytest.param(
            BucketAccess("azure", credentials={"tenantId": TENANT, "clientId": CLIENT, "clientCertificate": "s3cret"}),
            "'clientCertificate' does not hold a certificate and its private key",
            id="azure, no certificate",
        ),
        pytest.param(
            BucketAccess("azure", credentials={"tenantId": TENANT, "clientId": CLIENT, "clientSecret": "s3cret"}),
            "/oauth2/v2.0/token answered 403",
            id="azure, wrong secret",
        ),
        pytest.param(
            BucketAccess("aws", workload=workload()), "it has no annotation 'eks.amazonaws.com/role-arn'", id="aws"
        ),
    ],
)
async def test_logins_that_do_not_do(stores, access, message):
    renew = renewal(Clouds(stores.environ), access)
    with pytest.raises(NoToken) as caught:
        await renew()
    assert message in caught.value.message
    assert caught.value.message.startswith(f"no token from provider '{access.provider}'")
    assert "s3cret" not in caught.value.message


async def test_a_ldap_service_that_does_not_know_us(stores):
    access = BucketAccess("generic", service=Service(stores.url, "eve", "s3cret"))
    with pytest.raises(NoToken, match="answered 403"):
        await renewal(Clouds({}), access)()


@pytest.mark.parametrize(
    ("provider", "endpoint", "given"),
    [
        pytest.param("gcp", "storage.example.com", {}, id="gcp"),
        pytest.param("gcp", "storage.googleapis.com.example.com", {}, id="nearly gcp"),
        pytest.param("azure", "https://acc.example.com", {}, id="azure"),
        pytest.param("azure", "https://acc.example.com/.blob.core.windows.net", {"clientId": "x"}, id="nearly azure"),
    ],
)
async def test_the_hubs_own_token_goes_to_its_cloud_alone(*, stores, provider, endpoint, given):
    clouds = Clouds(stores.environ)
    with pytest.raises(NoToken, match="it would be given the hub's own token"):
        await renewal(clouds, BucketAccess(provider, credentials=given, endpoint=endpoint))()
    elsewhere = BucketAccess("aws", service=Service("https://sts.example.com"), workload=workload(**ON_AWS))
    with pytest.raises(NoToken, match=r"'https://sts\.example\.com' is no token service of AWS"):
        await renewal(clouds, elsewhere)()
    assert stores.asked == []


async def test_a_store_that_does_not_take_the_token(stores, tmp_path):
    stores.check = lambda _request: (_ for _ in ()).throw(AssertionError)
    with pytest.raises(BucketFailed, match="answered 403 Forbidden"):
        await read(stores, BucketAccess("gcp"), tmp_path)


def test_secrets_that_win_over_a_service():
    given = {"accesskey": "a", "secretkey": "b"}
    assert renewal(Clouds({}), BucketAccess("generic", credentials=given, service=Service("http://x"))) is None
    assert renewal(Clouds({}), BucketAccess("aws", credentials=given)) is None
    assert renewal(Clouds({}), BucketAccess("generic")) is None
