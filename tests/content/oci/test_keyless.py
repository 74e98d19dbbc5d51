from __future__ import annotations

import pytest
from sigstore_kit import ISSUER, SUBJECT, KeylessSigner, Sigstore

from hub.content.oci.keyless import Identity, Keyless
from hub.content.oci.manifest import EMPTY_CONFIG, compose_manifest
from hub.content.oci.signed import BadTrustError, NotSignedError, verify
from hub.content.regex import Pattern

WORKFLOW = "https://github.com/org/app/.github/workflows/release.yml@refs/tags/v1"


@pytest.fixture(scope="module")
def sigstore():
    return Sigstore()


@pytest.fixture
async def signer(sigstore, registry, tmp_path):
    made = KeylessSigner(sigstore, registry, tmp_path)
    config, layer = await made.blob(b"{}", EMPTY_CONFIG), await made.blob(b"content", "x/y")
    made.digest = (await registry.push_manifest(compose_manifest(config, [layer], {}), "1.0.0")).digest
    return made


def trust(sigstore, *identities):
    return Keyless(
        sigstore.trusted_root, [Identity(Pattern(issuer), Pattern(subject)) for issuer, subject in identities]
    )


FORMS = pytest.mark.parametrize("form", ["annotated", "bundled"])


@FORMS
@pytest.mark.parametrize(
    ("who", "identities"),
    [
        pytest.param({}, [(f"^{ISSUER}$", f"^{SUBJECT}$")], id="mail address"),
        pytest.param({"subject": WORKFLOW}, [("example", "org/app/.*@refs/tags/v[0-9]+$")], id="workflow"),
        pytest.param({"old": True}, [(f"^{ISSUER}$", SUBJECT)], id="issuer in the older extension"),
        pytest.param({}, [("other", "."), ("accounts", "build")], id="any of several"),
        pytest.param({}, [], id="anybody"),
    ],
)
async def test_signed_by_who_may(signer, sigstore, form, who, identities):
    await getattr(signer, form)(signer.digest, **who)
    await verify(signer.registry, signer.digest, trust(sigstore, *identities))


@FORMS
@pytest.mark.parametrize(
    ("how", "message"),
    [
        pytest.param(
            {"subject": "mallory@example.com"},
            f"made by 'mallory@example.com' of the issuer '{ISSUER}', who is none of spec.verify.matchOIDCIdentity",
            id="another person",
        ),
        pytest.param(
            {"issuer": "https://evil.example.com"}, "of the issuer 'https://evil.example.com'", id="another issuer"
        ),
        pytest.param({"at": 3600}, "cert is not valid at validation time", id="logged when the certificate was over"),
        pytest.param({"at": -3600}, "cert is not valid at validation time", id="logged before there was a certificate"),
        pytest.param({"forged": True}, "invalid log entry: SET: invalid inclusion promise", id="a forged log entry"),
        pytest.param({"of": "sha256:" + "0" * 64}, "made for another digest", id="of another artifact"),
        pytest.param({"logged": False}, "failed to verify SCT", id="certificate that was not logged"),
    ],
)
async def test_what_does_not_count(signer, sigstore, form, how, message):
    await getattr(signer, form)(signer.digest, **how)
    with pytest.raises(NotSignedError, match=message):
        await verify(signer.registry, signer.digest, trust(sigstore, (f"^{ISSUER}$", f"^{SUBJECT}$")))


@FORMS
async def test_another_authority_and_another_log_do_not_count(signer, sigstore, form):
    await getattr(signer, form)(signer.digest, by=Sigstore())
    with pytest.raises(NotSignedError, match="failed to build timestamp certificate chain"):
        await verify(signer.registry, signer.digest, trust(sigstore))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        pytest.param({"log": False}, "no entry of a transparency log comes with it", id="not in the log"),
        pytest.param({"entry_of": b"x"}, "entry is inconsistent with other materials", id="the log entry of another"),
    ],
)
async def test_annotations_that_do_not_fit(signer, sigstore, how, message):
    await signer.annotated(signer.digest, **how)
    with pytest.raises(NotSignedError, match=message):
        await verify(signer.registry, signer.digest, trust(sigstore))


async def test_not_signed(signer, sigstore):
    with pytest.raises(NotSignedError, match="no signatures found"):
        await verify(signer.registry, signer.digest, trust(sigstore))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{}", id="nothing in it"),
        pytest.param(b'{"mediaType": "x", "tlogs": [], "certificateAuthorities": [], "ctlogs": []}', id="another type"),
        pytest.param(
            b'{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1", "tlogs": [], '
            b'"certificateAuthorities": [], "ctlogs": []}',
            id="nobody to trust",
        ),
    ],
)
def test_bad_trusted_roots(data):
    with pytest.raises(BadTrustError, match="the trusted root cannot be used: "):
        Keyless(data, [])


def test_the_public_trusted_root_can_be_used():
    """The library brings one that was good when it was made."""
    from importlib import resources
    from urllib.parse import quote

    from hub.content.oci.trustroot import PUBLIC, TARGET

    root = resources.files("sigstore._store").joinpath(quote(PUBLIC, safe=""), TARGET).read_bytes()
    Keyless(root, [])
