from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from hub.content.oci import signed
from hub.content.oci.cosign import Keys, parse_keys
from hub.content.oci.manifest import EMPTY_CONFIG, INDEX, compose_manifest
from hub.content.oci.signed import BadTrustError, NotSignedError, verify

OURS, OTHERS = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())


def pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def sign(key, data):
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def payload(digest):
    image = {"docker-manifest-digest": digest}
    return json.dumps({"critical": {"type": "cosign container image signature", "image": image}}).encode()


class Signer:
    """Puts artifacts and signatures where cosign does."""

    def __init__(self, registry, folder):
        self.registry = registry
        self.folder = folder

    async def blob(self, data, media_type, annotations=None):
        (self.folder / "blob").write_bytes(data)
        return await self.registry.push(self.folder / "blob", media_type, annotations)

    async def artifact(self, tag="1.0.0", content=b"content"):
        config, layer = await self.blob(b"{}", EMPTY_CONFIG), await self.blob(content, "x/y")
        return (await self.registry.push_manifest(compose_manifest(config, [layer], {}), tag)).digest

    async def simple(self, digest, key, *, of="", broken=False):
        """Sign the manifest of ``digest`` (or put there a signature ``of`` another)."""
        data = payload(of or digest)
        signature = base64.b64encode(sign(key, data)).decode()
        note = {signed.SIGNATURE_ANNOTATION: "%%%" if broken else signature}
        layer = await self.blob(data, signed.SIMPLE_SIGNING, note)
        manifest = compose_manifest(await self.blob(b"{}", EMPTY_CONFIG), [layer], {})
        await self.registry.push_manifest(manifest, f"{digest.replace(':', '-')}.sig")

    async def bundle(self, digest, key, *, predicate=signed.PREDICATE):
        """Sign as version 3 of cosign does; this registry keeps the list of referrers under a tag."""
        subject = [{"digest": {"sha256": digest.removeprefix("sha256:")}}]
        statement = json.dumps({"subject": subject, "predicateType": predicate}).encode()
        kind = "application/vnd.in-toto+json"
        encoded = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(statement), statement)
        envelope = {
            "payload": base64.b64encode(statement).decode(),
            "payloadType": kind,
            "signatures": [{"sig": base64.b64encode(sign(key, encoded)).decode()}],
        }
        layer = await self.blob(json.dumps({"dsseEnvelope": envelope}).encode(), f"{signed.BUNDLE}.v0.3+json")
        data = compose_manifest(await self.blob(b"{}", EMPTY_CONFIG), [layer], {})
        pushed = await self.registry.push_manifest(data, "bundle")
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [pushed.as_dict()]}
        await self.registry.push_manifest(json.dumps(index).encode(), digest.replace(":", "-"), INDEX)


@pytest.fixture
def signer(registry, tmp_path):
    return Signer(registry, tmp_path)


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(OURS, id="ECDSA"),
        pytest.param(rsa.generate_private_key(65537, 2048), id="RSA"),
        pytest.param(ed25519.Ed25519PrivateKey.generate(), id="Ed25519"),
    ],
)
async def test_signed_by_one_of_the_keys(signer, key):
    digest = await signer.artifact()
    await signer.simple(digest, key)
    await verify(signer.registry, digest, Keys(parse_keys({"others.pub": pem(OTHERS), "ours.pub": pem(key)})))


async def test_a_bundle_counts_too(signer):
    digest = await signer.artifact()
    await signer.bundle(digest, OURS)
    await verify(signer.registry, digest, Keys(parse_keys({"ours.pub": pem(OURS)})))


async def nothing(_signer, _digest):
    pass


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        pytest.param(nothing, "no signatures found", id="not signed"),
        pytest.param(lambda s, d: s.simple(d, OTHERS), "1 found, none by a trusted key", id="another key"),
        pytest.param(lambda s, d: s.simple(d, OURS, broken=True), "none by a trusted key", id="not base64"),
        pytest.param(
            lambda s, d: s.simple(d, OURS, of="sha256:" + "0" * 64), "made for another digest", id="of another artifact"
        ),
        pytest.param(lambda s, d: s.bundle(d, OTHERS), "none by a trusted key", id="a bundle by another key"),
        pytest.param(
            lambda s, d: s.bundle(d, OURS, predicate="https://slsa.dev/provenance/v1"),
            "no signatures found",
            id="a statement of something else",
        ),
    ],
)
async def test_what_is_not_signed(signer, prepare, message):
    digest = await signer.artifact()
    await prepare(signer, digest)
    with pytest.raises(NotSignedError, match=message):
        await verify(signer.registry, digest, Keys(parse_keys({"ours.pub": pem(OURS)})))


def test_bad_keys():
    with pytest.raises(BadTrustError, match=r"'a\.pub' is not a PEM public key"):
        parse_keys({"a.pub": b"-----BEGIN nothing"})
