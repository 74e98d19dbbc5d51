"""When credentials end: certificates made here, tokens as API servers make them."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hub.kube.config import ClusterConfig
from hub.members.expiry import AHEAD, Credential, expiry_of

START = datetime(2026, 1, 1, tzinfo=UTC)


def certificate(life: timedelta) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(START)
        .not_valid_after(START + life)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def token(**claims: object) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'RS256'})}.{part(claims)}.c2lnbmF0dXJl"


def moment(after: timedelta) -> int:
    return int((START + after).timestamp())


YEAR, MONTH, DAY, HOUR = timedelta(days=365), timedelta(days=30), timedelta(days=1), timedelta(hours=1)


@pytest.mark.parametrize(
    ("given", "what", "life", "ahead"),
    [
        pytest.param({"client_cert": certificate(YEAR)}, Credential.CERTIFICATE, YEAR, AHEAD, id="certificate"),
        pytest.param(
            {"client_cert": certificate(40 * YEAR)}, Credential.CERTIFICATE, 40 * YEAR, AHEAD, id="beyond 2049"
        ),
        pytest.param(
            {"token": token(iat=moment(0 * DAY), exp=moment(MONTH))}, Credential.TOKEN, MONTH, MONTH / 5, id="token"
        ),
        pytest.param(
            {"token": token(iat=moment(0 * DAY), exp=moment(HOUR))},
            Credential.TOKEN, HOUR, HOUR / 5, id="a token of an hour is told of when a fifth is left",
        ),
        pytest.param({"token": token(exp=moment(DAY))}, Credential.TOKEN, DAY, AHEAD, id="nobody knows its age"),
        pytest.param(
            {"client_cert": certificate(YEAR), "token": token(iat=moment(0 * DAY), exp=moment(YEAR / 2))},
            Credential.TOKEN, YEAR / 2, AHEAD, id="what ends first counts",
        ),
    ],
)  # fmt: skip
def test_what_ends(given, what, life, ahead):
    found = expiry_of(ClusterConfig("https://x", **given))
    assert found is not None
    assert (found.what, found.at, found.at - found.warn_from) == (what, START + life, ahead)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"token": "opaque"}, id="no JWT"),
        pytest.param({"token": "a.b.c"}, id="looks like one"),
        pytest.param({"token": token(sub="x")}, id="without an end"),
        pytest.param({"token": token(exp="soon")}, id="an end that is no number"),
        pytest.param({"token": token(exp=10**18)}, id="an end beyond all calendars"),
        pytest.param({"token": f"x.{base64.urlsafe_b64encode(b'[1]').decode()}.x"}, id="claims that are a list"),
        pytest.param({"client_cert": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"}, id="broken"),
        pytest.param({"client_cert": certificate(YEAR)[:200] + b"\n-----END CERTIFICATE-----"}, id="cut off"),
    ],
)
def test_nothing_says_when(given):
    assert expiry_of(ClusterConfig("https://x", **given)) is None
