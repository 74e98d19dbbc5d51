"""Keyless signatures and those of notation, as objects ask for them: authorities of our own, and a real registry."""

from __future__ import annotations

import json

import pytest
from notation_kit import Notary, NotationSigner, policy
from repository_kit import Pusher, targz
from sigstore_kit import ISSUER, SUBJECT, KeylessSigner, Sigstore
from sources_harness import CHART, OCI, Sources, condition

from hub.content.oci.manifest import FLUX_CONTENT
from hub.settings import SourceSettings

US = [{"issuer": f"^{ISSUER}$", "subject": f"^{SUBJECT}$"}]
VERIFY = {"provider": "cosign", "matchOIDCIdentity": US}
FAILED = "failed to verify the signature using provider 'cosign keyless': "


@pytest.fixture(scope="module")
def sigstore():
    return Sigstore()


@pytest.fixture
async def sources(clusters, namespace, sigstore, tmp_path):
    root = tmp_path / "trusted_root.json"
    root.write_bytes(sigstore.trusted_root)
    settings = SourceSettings(sigstore_trusted_root=root)
    async with Sources(clusters.hub, namespace, tmp_path / "storage", settings) as running:
        yield running


def signer(sources, sigstore, repository, folder):
    return KeylessSigner(sigstore, Pusher(sources.session, folder).open(repository), folder)


async def test_artifacts_of_these_people_only(sources, sigstore, registry_server, tmp_path):
    name = registry_server.repository(f"{sources.namespace}/app")
    pusher, sign = Pusher(sources.session, tmp_path), signer(sources, sigstore, name, tmp_path)
    first = await pusher.push(name, "1", targz({"a": "1"}), FLUX_CONTENT)
    await sign.annotated(first)
    given = {"url": f"oci://{name}", "insecure": True, "ref": {"tag": "1"}, "verify": VERIFY}
    await sources.apply("OCIRepository", "app", given)
    before = await sources.ready(OCI, "app", f"1@{first}")
    assert condition(before, "SourceVerified")["message"] == f"verified signature of revision 1@{first}"

    second = await pusher.push(name, "1", targz({"a": "2"}), FLUX_CONTENT)
    rows = [
        (None, "no signatures found"),
        ({"of": first}, "no matching signatures: 1 found, made for another digest"),
        ({"subject": "mallory@example.com"}, f"made by 'mallory@example.com' of the issuer '{ISSUER}'"),
        ({"issuer": "https://evil.example.com"}, "of the issuer 'https://evil.example.com', who is none of"),
        ({"at": 3600}, "cert is not valid at validation time"),
        ({"forged": True}, "invalid log entry: SET"),
    ]
    for how, message in rows:
        if how is not None:
            await sign.annotated(second, **how)
        await sources.request(OCI, "app")
        found = await sources.until(
            OCI, "app", lambda found, message=message: message in condition(found, "Ready")["message"]
        )
        verified = condition(found, "SourceVerified")
        assert (verified["status"], verified["reason"]) == ("False", "VerificationError")
        assert verified["message"].startswith(FAILED)
        assert verified["message"].endswith(f" for '{name}@{second}'")
        assert found["status"]["artifact"] == before["status"]["artifact"], "the last good one stays"
    await sign.bundled(second)
    await sources.request(OCI, "app")
    await sources.ready(OCI, "app", f"1@{second}")


async def test_a_trusted_root_of_ones_own(sources, registry_server, tmp_path):
    name, other = registry_server.repository(f"{sources.namespace}/app"), Sigstore()
    digest = await Pusher(sources.session, tmp_path).push(name, "1", targz({"a": "1"}), FLUX_CONTENT)
    await signer(sources, other, name, tmp_path).bundled(digest)
    given = {"url": f"oci://{name}", "insecure": True, "ref": {"tag": "1"}}
    await sources.secret("root", **{"trusted_root.json": other.trusted_root.decode()})
    await sources.secret("empty", other="x")
    await sources.secret("broken", **{"trusted_root.json": "{}"})
    own = {name: VERIFY | {"trustedRootSecretRef": {"name": name}} for name in ("root", "empty", "broken")}
    pattern = VERIFY | {"matchOIDCIdentity": [{"issuer": "(", "subject": "."}]}
    rows = {
        "public": (VERIFY, "no matching signatures: 1 found, failed to build timestamp certificate chain"),
        "empty": (own["empty"], f"secret '{sources.namespace}/empty' has no 'trusted_root.json'"),
        "broken": (own["broken"], "the trusted root cannot be used: "),
        "pattern": (pattern, "error parsing regexp: missing ): ("),
    }
    for row, (verify, _) in rows.items():
        await sources.apply("OCIRepository", row, given | {"verify": verify})
    await sources.apply("OCIRepository", "app", given | {"verify": own["root"]})
    await sources.ready(OCI, "app", f"1@{digest}")
    for row, (_, message) in rows.items():
        found = await sources.failed(OCI, row, "VerificationError")
        assert condition(found, "SourceVerified")["message"].startswith(FAILED + message)


async def test_charts_of_these_people_only(sources, sigstore, registry_server, tmp_path):
    repository = registry_server.repository(f"{sources.namespace}/charts")
    digest = await Pusher(sources.session, tmp_path).chart(repository)
    sign = signer(sources, sigstore, f"{repository}/web", tmp_path)
    await sign.bundled(digest, subject="mallory@example.com")
    await sources.apply("HelmRepository", "charts", {"url": f"oci://{repository}", "type": "oci", "insecure": True})
    source = {"kind": "HelmRepository", "name": "charts"}
    await sources.apply("HelmChart", "web", {"chart": "web", "sourceRef": source, "verify": VERIFY})
    found = await sources.failed(CHART, "web", "VerificationError")
    assert condition(found, "SourceVerified")["message"].startswith(
        f"{FAILED}no matching signatures: 1 found, made by 'mallory@example.com'"
    )
    await sign.bundled(digest)
    await sources.request(CHART, "web")
    found = await sources.ready(CHART, "web", "1.0.0")
    assert condition(found, "SourceVerified")["message"] == "verified signature of version 1.0.0"


async def test_notation(sources, registry_server, tmp_path):
    name, notary = registry_server.repository(f"{sources.namespace}/app"), Notary()
    pusher = Pusher(sources.session, tmp_path)
    digest = await pusher.push(name, "1", targz({"a": "1"}), FLUX_CONTENT)
    us = policy(identities=["x509.subject: C=US, ST=WA, O=example, CN=build"])
    await sources.secret("us", **{"trustpolicy.json": json.dumps(us), "ca.crt": notary.pem.decode()})
    await sources.secret("skip", **{"trustpolicy.json": json.dumps(policy("skip"))})
    await sources.secret("no-roots", **{"trustpolicy.json": json.dumps(us)})
    await sources.secret("no-policy", **{"ca.crt": notary.pem.decode()})
    given = {"url": f"oci://{name}", "insecure": True, "ref": {"tag": "1"}}
    rows = {
        "us": f"no signatures found for '{name}@{digest}'",
        "no-roots": f"secret '{sources.namespace}/no-roots' has no certificate: no key that ends with .crt or .pem",
        "no-policy": f"secret '{sources.namespace}/no-policy' has no 'trustpolicy.json'",
    }
    for row in (*rows, "skip"):
        verify = {"provider": "notation", "secretRef": {"name": row}}
        await sources.apply("OCIRepository", row, given | {"verify": verify})
    await sources.ready(OCI, "skip", f"1@{digest}")
    for row, message in rows.items():
        found = await sources.failed(OCI, row, "VerificationError")
        told = condition(found, "SourceVerified")["message"]
        assert told == f"failed to verify the signature using provider 'notation': {message}"
    sign = NotationSigner(pusher.open(name), tmp_path)
    await sign.signed(digest, notary, {}, "C=US, ST=WA, O=example, CN=build")
    await sources.request(OCI, "us")
    await sources.ready(OCI, "us", f"1@{digest}")
