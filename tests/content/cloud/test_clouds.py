"""Logins to registries of clouds: a server on the loopback interface speaks for the clouds, and checks what it gets."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from cloud_kit import CLIENT, ECR, ROLE, TENANT, workload

from hub.content.cloud.clouds import Clouds
from hub.content.cloud.identity import NoToken

ON_AWS = {"eks.amazonaws.com/role-arn": ROLE}
ON_AZURE = {"azure.workload.identity/client-id": CLIENT, "azure.workload.identity/tenant-id": TENANT}
POOL = "projects/42/locations/global/workloadIdentityPools/hubs/providers/hub1"
ON_GCP = {"iam.gke.io/gcp-service-account": "pull@acme.iam.gserviceaccount.com"}
ACR, GAR = "acme.azurecr.io", "europe-docker.pkg.dev"


@pytest.fixture
def clouds(cloud):
    return Clouds(cloud.environ)


def with_files(environ, folder, provider):
    """The environment of a Pod to which a cloud's webhook gave an identity."""
    (folder / "token").write_text("federated\n")
    return (
        environ
        | {
            "aws": {"AWS_WEB_IDENTITY_TOKEN_FILE": str(folder / "token"), "AWS_ROLE_ARN": ROLE},
            "azure": {
                "AZURE_FEDERATED_TOKEN_FILE": str(folder / "token"),
                "AZURE_CLIENT_ID": CLIENT,
                "AZURE_TENANT_ID": TENANT,
            },
            "gcp": {},
        }[provider]
    )


@pytest.mark.parametrize(
    ("provider", "host", "username", "kind"),
    [
        pytest.param("aws", ECR, "AWS", "ecr-", id="ECR"),
        pytest.param("aws", f"{ECR}:443", "AWS", "ecr-", id="ECR with a port"),
        pytest.param("aws", "public.ecr.aws:443", "AWS", "ecr-", id="public ECR"),
        pytest.param("azure", ACR, "00000000-0000-0000-0000-000000000000", "eyJ", id="ACR"),
        pytest.param("gcp", GAR, "oauth2accesstoken", "google-", id="Artifact Registry"),
        pytest.param("gcp", "eu.gcr.io", "oauth2accesstoken", "google-", id="gcr.io"),
    ],
)
@pytest.mark.parametrize("how", ["pod", "machine"])
async def test_the_hub_logs_in_with_its_own_identity(*, cloud, tmp_path, provider, host, username, kind, how):
    environ = with_files(cloud.environ, tmp_path, provider) if how == "pod" else cloud.environ
    found = await Clouds(environ).registry(provider, host, proxy=cloud.url, plain=True)
    assert found.username == username
    assert found.password.startswith(kind)
    assert found.password in cloud.given


@pytest.mark.parametrize(
    ("provider", "host", "annotations", "audience"),
    [
        pytest.param("aws", ECR, ON_AWS, "sts.amazonaws.com", id="AWS"),
        pytest.param("azure", ACR, ON_AZURE, "api://AzureADTokenExchange", id="Azure"),
        pytest.param("gcp", GAR, ON_GCP, "acme.svc.id.goog", id="GKE"),
        pytest.param(
            "gcp",
            GAR,
            {"gcp.auth.fluxcd.io/workload-identity-provider": POOL},
            f"//iam.googleapis.com/{POOL}",
            id="GCP from anywhere",
        ),
    ],
)
async def test_a_service_account_is_exchanged(*, cloud, clouds, provider, host, annotations, audience):
    asked = []
    cloud.trusted = {"of the account"}
    who = workload(token="of the account", asked=asked, **annotations)
    found = await clouds.registry(provider, host, who, cloud.url, plain=True)
    assert found.password in cloud.given
    assert asked == [(audience,)]
    if provider == "gcp":
        impersonates = "iam.gke.io/gcp-service-account" in annotations
        assert found.password.startswith("impersonated-" if impersonates else "google-")
        cluster = "https://container.googleapis.com/v1/projects/acme/locations/europe-west1/clusters/prod"
        of_gke = f"identitynamespace:acme.svc.id.goog:{cluster}"
        assert cloud.audience == (of_gke if impersonates else audience)


@pytest.mark.parametrize(("provider", "host"), [("aws", ECR), ("azure", ACR), ("gcp", GAR)])
async def test_a_token_is_shared_and_renewed_in_time(cloud, provider, host):
    now = [time.time()]
    clouds = Clouds(cloud.environ, lambda: now[0])

    async def login():
        return await clouds.registry(provider, host, proxy=cloud.url, plain=True)

    first, *others = await asyncio.gather(*(login() for _ in range(20)))
    assert all(one == first for one in others)
    asked = len(cloud.asked)
    assert await login() == first
    assert len(cloud.asked) == asked
    now[0] += 12 * 3600 - 60
    assert await login() != first


async def test_a_token_of_ten_minutes_is_not_renewed_all_the_time(cloud):
    now, cloud.life = [time.time()], 600
    clouds = Clouds(cloud.environ, lambda: now[0])
    first = await clouds.gcp.token(None)
    now[0] += 400
    assert await clouds.gcp.token(None) == first
    now[0] += 100
    assert await clouds.gcp.token(None) != first


async def test_accounts_do_not_share_tokens(cloud, clouds):
    one = await clouds.registry("aws", ECR, workload(**ON_AWS))
    other = await clouds.registry("aws", ECR, workload(**ON_AWS, more="x"))
    assert one != other
    assert await clouds.registry("aws", ECR, None) not in {one, other}


@pytest.mark.parametrize(
    ("provider", "host", "who", "message"),
    [
        pytest.param("aws", "ghcr.io", None, "'ghcr.io' is no registry of AWS", id="not AWS"),
        pytest.param("aws", f"{ECR}.evil.com", None, "is no registry of AWS", id="nearly AWS"),
        pytest.param("azure", "azurecr.io.evil.com", None, "is no registry of Azure", id="not Azure"),
        pytest.param("gcp", "evil.com", None, "is no registry of Google", id="not Google"),
        pytest.param("gcp", "gcr.io.evil.com", None, "is no registry of Google", id="nearly Google"),
        pytest.param("aws", ECR, {}, "it has no annotation 'eks.amazonaws.com/role-arn'", id="no role"),
        pytest.param("azure", ACR, {}, "it has no annotation 'azure.workload.identity/client-id'", id="no client"),
        pytest.param(
            "azure",
            ACR,
            {"azure.workload.identity/client-id": CLIENT},
            "no annotation 'azure.workload.identity/tenant-id', and AZURE_TENANT_ID is not set",
            id="no tenant",
        ),
        pytest.param(
            "gcp",
            GAR,
            {"iam.gke.io/gcp-service-account": "../x"},
            "is not the e-mail address of a service account",
            id="not an account",
        ),
        pytest.param(
            "gcp", GAR, {"gcp.auth.fluxcd.io/workload-identity-provider": "x"}, "is not of the form", id="not a pool"
        ),
    ],
)
async def test_what_is_refused_before_anything_is_sent(*, cloud, clouds, provider, host, who, message):
    account = None if who is None else workload(**who)
    with pytest.raises(NoToken) as caught:
        await clouds.registry(provider, host, account, cloud.url, plain=True)
    assert message in caught.value.message
    assert caught.value.reason == "AuthenticationFailed"
    whose = " for ServiceAccount 'apps/puller'" if account else ""
    assert caught.value.message.startswith(f"no token from provider '{provider}'{whose}: ")
    assert not any("token" in one or "exchange" in one for one in cloud.asked)


@pytest.mark.parametrize(("provider", "host"), [("aws", ECR), ("azure", ACR), ("gcp", GAR)])
async def test_an_endpoint_that_says_no_is_named_and_not_quoted(cloud, clouds, provider, host):
    cloud.fail = 500
    with pytest.raises(NoToken) as caught:
        await clouds.registry(provider, host, proxy=cloud.url, plain=True)
    assert "answered 500" in caught.value.message
    assert "this process has no " in caught.value.message
    assert "s3cret" not in caught.value.message


async def test_a_token_that_is_not_trusted(cloud, clouds):
    with pytest.raises(NoToken) as caught:
        await clouds.registry("aws", ECR, workload(token="stolen", **ON_AWS))
    assert f"{cloud.url}/ answered 403" in caught.value.message or f"{cloud.url} answered 403" in caught.value.message
    assert "stolen" not in caught.value.message


async def test_nobody_there():
    clouds = Clouds({"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1"})
    with pytest.raises(
        NoToken, match=r"this process has no AWS identity: .* \(127\.0\.0\.1:1 refused the connection\)"
    ):
        await clouds.registry("aws", ECR)


@pytest.mark.parametrize("kind", ["service_account", "external_account", "authorized_user"])
async def test_application_credentials_of_google(cloud, tmp_path, rsa_key, kind):
    cloud.public_key = rsa_key[0].public_key()
    (tmp_path / "token").write_text("federated")
    found = {
        "service_account": {"client_email": "a@b.c", "private_key": rsa_key[1], "token_uri": f"{cloud.url}/token"},
        "external_account": {
            "audience": "//iam.googleapis.com/x",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{cloud.url}/v1/token",
            "credential_source": {"file": str(tmp_path / "token")},
        },
        "authorized_user": {},
    }[kind]
    (tmp_path / "key.json").write_text(json.dumps(found | {"type": kind}))
    clouds = Clouds(cloud.environ | {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json")})
    if kind == "authorized_user":
        with pytest.raises(NoToken, match="of type 'authorized_user', which is not supported"):
            await clouds.registry("gcp", GAR)
    else:
        assert (await clouds.registry("gcp", GAR)).password.startswith("google-")


async def test_a_client_secret_in_the_environment(cloud):
    environ = {"AZURE_CLIENT_SECRET": "hush", "AZURE_CLIENT_ID": CLIENT, "AZURE_TENANT_ID": TENANT}
    token = await Clouds(cloud.environ | environ).azure.token("https://x/.default", None)
    assert token.value in cloud.given
    assert cloud.count("/oauth2/v2.0/token") == 1
