"""Tokens from GitHub, Azure and AWS: their endpoints stood in for by a server on the loopback interface."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from hub.content.cloud.identity import Workload
from hub.content.gitauth import AuthInvalid, GitAuth
from hub.content.gitproviders import GitProviders, sign_codecommit

URL = "https://example.com/org/app.git"
AZURE = "https://dev.azure.com/org/project/_git/app"
CODECOMMIT = "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/app"
STS = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>AKID</AccessKeyId><SecretAccessKey>SECRET</SecretAccessKey>
<SessionToken>TOK</SessionToken><Expiration>2126-11-21T13:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


class Endpoint:
    """Answers as the providers do, and remembers what it was asked."""

    def __init__(self):
        self.asked = []
        self.fail = 0

    async def __aenter__(self):
        self._runner = web.ServerRunner(web.Server(self._answer))
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    async def _answer(self, request):
        self.asked.append((request.method, request.path_qs, dict(request.headers), await request.text()))
        if self.fail:
            return web.Response(status=self.fail, text="s3cret details")
        if request.path.endswith("/app/installations"):
            accounts = [{"id": 7, "account": {"login": "other"}}, {"id": 8, "account": {"login": "Org"}}]
            return web.json_response(accounts if request.query["page"] == "1" else [])
        if request.path.endswith("/access_tokens"):
            until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
            return web.json_response({"token": f"ghs_{len(self.asked)}", "expires_at": until}, status=201)
        if "oauth2" in request.path:
            return web.json_response({"access_token": f"azure_{len(self.asked)}", "expires_in": "3600"})
        if request.path == "/container":
            return web.json_response({"AccessKeyId": "AKID", "SecretAccessKey": "SECRET", "Token": "TOK"})
        return web.Response(text=STS, content_type="text/xml")


@pytest.fixture
async def endpoint():
    async with Endpoint() as server:
        yield server


@pytest.fixture(scope="module")
def app_key():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key, key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def app(endpoint, app_key, **more):
    data = {"githubAppID": b"12", "githubAppPrivateKey": app_key[1], "githubAppBaseURL": endpoint.url.encode()}
    return data | {key: value.encode() for key, value in more.items()}


async def test_a_github_app_is_exchanged_for_a_token_that_is_held(endpoint, app_key):
    providers = GitProviders({})
    data = app(endpoint, app_key, githubAppInstallationID="5")
    auth = await providers.auth("github", URL, data)
    assert auth == GitAuth("x-access-token", "ghs_1")
    ((method, path, headers, _),) = endpoint.asked
    assert (method, path) == ("POST", "/app/installations/5/access_tokens")
    claims = jwt.decode(headers["Authorization"].removeprefix("Bearer "), app_key[0].public_key(), ["RS256"])
    assert claims["iss"] == "12"
    assert claims["exp"] - claims["iat"] <= 600
    assert await providers.auth("github", URL, data) == auth
    assert len(endpoint.asked) == 1


async def test_a_token_is_renewed_before_it_ends(endpoint, app_key):
    now = [datetime.now(UTC).timestamp()]
    providers = GitProviders({}, clock=lambda: now[0])
    data = app(endpoint, app_key, githubAppInstallationID="5")
    first = await providers.auth("github", URL, data)
    now[0] += 3600 - 200
    assert await providers.auth("github", URL, data) != first


async def test_the_installation_of_an_owner(endpoint, app_key):
    await GitProviders({}).auth("github", URL, app(endpoint, app_key, githubAppInstallationOwner="org"))
    assert [path.partition("?")[0] for _, path, _, _ in endpoint.asked] == [
        "/app/installations",
        "/app/installations/8/access_tokens",
    ]
    with pytest.raises(AuthInvalid, match="the GitHub App is not installed for 'nobody'"):
        await GitProviders({}).auth("github", URL, app(endpoint, app_key, githubAppInstallationOwner="nobody"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({}, "one of 'githubAppInstallationOwner' and 'githubAppInstallationID'", id="no installation"),
        pytest.param(
            {"githubAppInstallationOwner": "a", "githubAppInstallationID": "1"},
            "one of 'githubAppInstallationOwner' and 'githubAppInstallationID'",
            id="two installations",
        ),
        pytest.param({"githubAppID": ""}, "the Secret lacks 'githubAppID'", id="no ID"),
        pytest.param(
            {"githubAppInstallationID": "1", "githubAppPrivateKey": "rubbish"},
            "'githubAppPrivateKey' of the Secret is not a private RSA key",
            id="not a key",
        ),
    ],
)
async def test_github_secrets_that_do_not_do(*, endpoint, app_key, change, message):
    with pytest.raises(AuthInvalid, match=message):
        await GitProviders({}).auth("github", URL, app(endpoint, app_key, **change))
    assert endpoint.asked == []


async def test_a_provider_that_says_no_is_named_by_its_status_alone(endpoint, app_key):
    endpoint.fail = 401
    with pytest.raises(AuthInvalid) as caught:
        await GitProviders({}).auth("github", URL, app(endpoint, app_key, githubAppInstallationID="5"))
    assert "no token from provider 'github'" in caught.value.message
    assert "/app/installations/5/access_tokens answered 401" in caught.value.message
    assert "s3cret" not in caught.value.message


async def test_azure_workload_identity(endpoint, tmp_path):
    (tmp_path / "token").write_text("federated\n")
    environ = {
        "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token"),
        "AZURE_AUTHORITY_HOST": f"{endpoint.url}/",
        "AZURE_CLIENT_ID": "client",
        "AZURE_TENANT_ID": "tenant",
    }
    assert await GitProviders(environ).auth("azure", AZURE, {}) == GitAuth(bearer_token="azure_1")
    ((_, path, _, body),) = endpoint.asked
    assert path == "/tenant/oauth2/v2.0/token"
    form = parse_qs(body)
    assert form["client_assertion"] == ["federated"]
    assert form["scope"] == ["499b84ac-1321-427f-aa17-267ca6975798/.default"]


async def test_azure_managed_identity(endpoint):
    providers = GitProviders({"AZURE_POD_IDENTITY_AUTHORITY_HOST": endpoint.url})
    assert await providers.auth("azure", AZURE, {}) == GitAuth(bearer_token="azure_1")
    ((method, path, headers, _),) = endpoint.asked
    assert (method, headers["Metadata"]) == ("GET", "true")
    assert path.startswith("/metadata/identity/oauth2/token?")


@pytest.mark.parametrize("how", ["web identity", "container", "keys"])
async def test_aws(endpoint, tmp_path, how):
    (tmp_path / "token").write_text("federated\n")
    environ = {
        "web identity": {
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
            "AWS_ROLE_ARN": "arn:aws:iam::1:role/hub",
            "AWS_ENDPOINT_URL_STS": endpoint.url,
        },
        "container": {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{endpoint.url}/container",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
        },
        "keys": {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "SECRET", "AWS_SESSION_TOKEN": "TOK"},
    }[how]
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    auth = await GitProviders(environ, clock=now.timestamp).auth("aws", CODECOMMIT, {})
    assert auth.username == "AKID%TOK"
    assert auth.password == EXPECTED
    if how == "web identity":
        assert parse_qs(endpoint.asked[0][3])["WebIdentityToken"] == ["federated"]
    if how == "container":
        assert endpoint.asked[0][2]["Authorization"] == "federated"


EXPECTED = "20261121T120000Zec79dcd8c5ee37752961287e8af58b166357b290795122e35108328e9e5e1f2c"
"""As AWS's own signer has it."""


def test_the_signature_for_codecommit():
    host, _, path = CODECOMMIT.removeprefix("https://").partition("/")
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert sign_codecommit(host, f"/{path}", "eu-west-1", "SECRET", now) == EXPECTED


@pytest.mark.parametrize("url", [URL, AZURE.replace("https", "http"), "https://dev.azure.com.example.com/app"])
async def test_the_hubs_own_token_is_for_azure_alone(endpoint, url):
    with pytest.raises(AuthInvalid, match="it would be given the hub's own token"):
        await GitProviders({"AZURE_POD_IDENTITY_AUTHORITY_HOST": endpoint.url}).auth("azure", url, {})
    assert endpoint.asked == []


async def test_nobody_gave_us_an_identity():
    with pytest.raises(AuthInvalid, match="this process has no AWS identity"):
        await GitProviders({}).auth("aws", CODECOMMIT, {})
    with pytest.raises(AuthInvalid, match="no region in the URL's host or in AWS_REGION"):
        await GitProviders({}).auth("aws", URL, {})


@pytest.mark.parametrize("provider", ["azure", "aws"])
async def test_a_service_account_in_place_of_this_process(endpoint, provider):
    async def mint(audiences):
        return f"for {audiences[0]}"

    annotations = {
        "azure.workload.identity/client-id": "client",
        "azure.workload.identity/tenant-id": "tenant",
        "eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/hub",
    }
    account = Workload("apps", "git", annotations, mint)
    environ = {"AZURE_AUTHORITY_HOST": endpoint.url, "AWS_ENDPOINT_URL_STS": endpoint.url}
    url = CODECOMMIT if provider == "aws" else URL
    providers = GitProviders(environ)
    auth = await providers.auth(provider, url, {}, workload=account)
    assert auth == await providers.auth(provider, url, {}, workload=account)
    ((_, _, _, body),) = endpoint.asked
    if provider == "azure":
        assert auth == GitAuth(bearer_token="azure_1")
        assert parse_qs(body)["client_assertion"] == ["for api://AzureADTokenExchange"]
    else:
        assert auth.username == "AKID%TOK"
        assert parse_qs(body)["WebIdentityToken"] == ["for sts.amazonaws.com"]
        assert parse_qs(body)["RoleSessionName"] == ["git.apps.hub"]
