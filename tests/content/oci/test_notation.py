from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from notation_kit import Notary, NotationSigner, policy

from hub.content.oci.manifest import EMPTY_CONFIG, compose_manifest
from hub.content.oci.notation import Notation, envelopes, parse_policy, parse_roots
from hub.content.oci.signed import BadTrustError, NotSignedError, verify

US = "C=US, ST=WA, O=example, CN=build"
US_ONLY = policy(identities=[f"x509.subject: {US}"])


@pytest.fixture(scope="module")
def notary():
    return Notary()


@pytest.fixture
async def signer(registry, tmp_path):
    made = NotationSigner(registry, tmp_path)
    config, layer = await made.blob(b"{}", EMPTY_CONFIG), await made.blob(b"content", "x/y")
    made.digest = (await registry.push_manifest(compose_manifest(config, [layer], {}), "1.0.0")).digest
    return made


def trust(roots, given=US_ONLY, *, later=timedelta(0)):
    found = parse_policy(json.dumps(given).encode(), "ghcr.io/org/app")
    return Notation(found, parse_roots({"ca.crt": roots}), lambda: datetime.now(UTC) + later)


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        pytest.param(rsa.generate_private_key(65537, 2048), "PS256", id="RSA"),
        pytest.param(ec.generate_private_key(ec.SECP384R1()), "ES384", id="ECDSA"),
    ],
)
@pytest.mark.parametrize("given", [pytest.param(US_ONLY, id="us"), pytest.param(policy(), id="anybody")])
async def test_signed_by_who_may(signer, notary, key, algorithm, given):
    await signer.sign(signer.digest, key, [notary.issue(key, US)], algorithm)
    await verify(signer.registry, signer.digest, trust(notary.pem, given), envelopes)


async def test_a_certificate_that_is_its_own_authority(signer, notary):
    key = ec.generate_private_key(ec.SECP256R1())
    own = notary.issue(key, US, by=key)
    await signer.sign(signer.digest, key, [own])
    await verify(signer.registry, signer.digest, trust(Notary.as_pem(own)), envelopes)
    with pytest.raises(NotSignedError, match="its certificate does not lead to a trusted one"):
        await verify(signer.registry, signer.digest, trust(notary.pem), envelopes)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        pytest.param({"of": "sha256:" + "0" * 64}, "made for another digest", id="of another artifact"),
        pytest.param({"forged": True}, "its signature is not genuine", id="forged"),
        pytest.param({"header": {"alg": "none"}}, "its algorithm 'none' is not allowed", id="no algorithm"),
        pytest.param({"header": {"alg": "HS256"}}, "its algorithm 'HS256' is not allowed", id="with a secret"),
        pytest.param({"header": {"cty": "x"}}, "its payload is of the type 'x'", id="another payload"),
        pytest.param(
            {"header": {"io.cncf.notary.signingScheme": "notary.x509.signingAuthority"}},
            "is not supported: use notary.x509",
            id="a signing authority",
        ),
        pytest.param(
            {"header": {"crit": ["io.cncf.notary.verificationPlugin"]}},
            "it needs what is not supported: io.cncf.notary.verificationPlugin",
            id="a plugin",
        ),
        pytest.param(
            {"header": {"io.cncf.notary.expiry": "2020-01-01T00:00:00Z"}},
            "it expired at 2020-01-01T00:00:00Z",
            id="expired signature",
        ),
        pytest.param({"cose": True}, "in an envelope that is not supported", id="COSE"),
        pytest.param({"days": -1}, "is not valid now", id="expired certificate"),
        pytest.param({"by": Notary()}, "does not lead to a trusted one", id="another authority"),
        pytest.param(
            {"subject": "C=US, ST=WA, O=example, CN=mallory"},
            "made by 'C=US,ST=WA,O=example,CN=mallory', who is none of the policy's trustedIdentities",
            id="somebody else",
        ),
        pytest.param({"purpose": "server"}, "its certificate is not for signing code", id="for a server"),
        pytest.param({"revocable": True}, "nobody here asks whether its certificate was revoked", id="revocable"),
    ],
)
async def test_what_does_not_count(signer, notary, how, message):
    await signer.signed(signer.digest, notary, how, US)
    with pytest.raises(NotSignedError, match=message):
        await verify(signer.registry, signer.digest, trust(notary.pem), envelopes)


@pytest.mark.parametrize(
    ("how", "given"),
    [
        pytest.param({"days": -1}, policy("permissive"), id="an expired certificate, permissive"),
        pytest.param(
            {"header": {"io.cncf.notary.expiry": "2020-01-01T00:00:00Z"}},
            policy(override={"expiry": "log"}),
            id="an expired signature, overridden",
        ),
        pytest.param({"revocable": True}, policy(override={"revocation": "skip"}), id="revocable, overridden"),
        pytest.param({"by": Notary()}, policy("audit"), id="another authority, audit"),
    ],
)
async def test_what_a_policy_lets_pass(signer, notary, how, given):
    await signer.signed(signer.digest, notary, how, US)
    await verify(signer.registry, signer.digest, trust(notary.pem, given), envelopes)


async def test_not_signed(signer, notary):
    with pytest.raises(NotSignedError, match="no signatures found"):
        await verify(signer.registry, signer.digest, trust(notary.pem), envelopes)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param([], "is not a trust policy", id="a list"),
        pytest.param({"trustPolicies": []}, "has no trust policy for 'ghcr.io/org/app'", id="none"),
        pytest.param(policy(scopes=["ghcr.io/org/other"]), "has no trust policy for", id="of another repository"),
        pytest.param(policy("lax"), "is not a trust policy: 'lax'", id="an unknown level"),
        pytest.param(policy(identities=["CN=x"]), "is not of the form 'x509.subject: ...'", id="an identity"),
    ],
)
def test_bad_policies(given, message):
    with pytest.raises(BadTrustError, match=message):
        parse_policy(json.dumps(given).encode(), "ghcr.io/org/app")


def test_the_most_precise_policy_counts_and_skip_is_one():
    two = {"trustPolicies": [*policy()["trustPolicies"], *policy("skip", scopes=["ghcr.io/org/app"])["trustPolicies"]]}
    assert parse_policy(json.dumps(two).encode(), "ghcr.io/org/app").skip
    assert not parse_policy(json.dumps(two).encode(), "ghcr.io/org/other").skip


def test_bad_certificates():
    with pytest.raises(BadTrustError, match=r"'a\.crt' is not a PEM certificate"):
        parse_roots({"a.crt": b"x"})
