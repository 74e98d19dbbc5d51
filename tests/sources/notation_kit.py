"""An authority whose certificates sign artifacts, and signatures as notation makes them."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from jwt.algorithms import get_default_algorithms

from hub.content.oci.manifest import INDEX, MANIFEST
from hub.content.oci.notation import COSE, JWS, SIGNATURE


def policy(level="strict", *, scopes=("*",), identities=("*",), override=None):
    verification = {"level": level} | ({"override": override} if override else {})
    one = {"name": "all", "registryScopes": list(scopes), "signatureVerification": verification}
    more = {"trustStores": ["ca:any"], "trustedIdentities": list(identities)}
    return {"version": "1.0", "trustPolicies": [one | more]}


def usage(*, authority):
    return x509.KeyUsage(
        digital_signature=not authority, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=authority, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Notary:
    def __init__(self):
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name.from_rfc4514_string("C=US,ST=WA,O=example,CN=authority")
        public = self._key.public_key()
        self.root = (
            self._builder(self._name, public, 900)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage(authority=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = self.as_pem(self.root)

    @staticmethod
    def as_pem(certificate):
        return certificate.public_bytes(serialization.Encoding.PEM)

    def _builder(self, name, public, days, issuer=None):
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer or self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=30))
            .not_valid_after(now + timedelta(days=days))
        )

    def issue(self, key, subject, *, days=30, purpose="code", revocable=False, by=None):
        name = x509.Name.from_rfc4514_string(subject.replace(", ", ","))
        purposes = {"code": ExtendedKeyUsageOID.CODE_SIGNING, "server": ExtendedKeyUsageOID.SERVER_AUTH}
        builder = (
            self._builder(name, key.public_key(), days, name if by else None)
            .add_extension(usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purposes[purpose]]), critical=False)
        )
        if revocable:
            where = [x509.UniformResourceIdentifier("http://crl.example.com")]
            point = x509.DistributionPoint(where, None, None, None)
            builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
        if not by:
            known = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
            builder = builder.add_extension(known, critical=False)
        return builder.sign(by or self._key, hashes.SHA256())


class NotationSigner:
    """Puts signatures beside manifests of a repository."""

    def __init__(self, registry, folder):
        self.registry = registry
        self.folder = folder

    async def blob(self, data, media_type):
        (self.folder / "blob").write_bytes(data)
        return await self.registry.push(self.folder / "blob", media_type)

    async def signed(self, digest, notary, how, subject):
        """Sign; what is particular about it is about the certificate or about the envelope."""
        names = ("days", "purpose", "revocable")
        key, by = ec.generate_private_key(ec.SECP256R1()), how.get("by", notary)
        about = {name: how[name] for name in names if name in how}
        certificate = by.issue(key, how.get("subject", subject), **about)
        about = {name: how[name] for name in ("of", "forged", "header", "cose") if name in how}
        await self.sign(digest, key, [certificate, by.root], **about)

    async def sign(self, digest, key, chain, algorithm="ES256", *, of="", forged=False, header=None, cose=False):
        target = {"mediaType": MANIFEST, "digest": of or digest, "size": 1}
        payload = b64url(json.dumps({"targetArtifact": target}).encode())
        protected = {
            "alg": algorithm,
            "cty": "application/vnd.cncf.notary.payload.v1+json",
            "crit": ["io.cncf.notary.signingScheme"],
            "io.cncf.notary.signingScheme": "notary.x509",
            "io.cncf.notary.signingTime": "2026-01-01T00:00:00Z",
        } | (header or {})
        said = f"{b64url(json.dumps(protected).encode())}.{payload}"
        signature = get_default_algorithms()[algorithm].sign(said.encode(), key)
        if forged:
            signature = bytes([signature[0] ^ 1]) + signature[1:]
        ders = [base64.b64encode(one.public_bytes(serialization.Encoding.DER)).decode() for one in chain]
        envelope = {"protected": said.partition(".")[0], "payload": payload, "signature": b64url(signature)}
        data = json.dumps(envelope | {"header": {"x5c": ders}}).encode()
        layer = await self.blob(b"\xd2" if cose else data, COSE if cose else JWS)
        config = await self.blob(b"{}", SIGNATURE)
        found = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config.as_dict(), "layers": [layer.as_dict()]}
        pushed = await self.registry.push_manifest(json.dumps(found).encode(), "notation")
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [pushed.as_dict()]}
        await self.registry.push_manifest(json.dumps(index).encode(), digest.replace(":", "-"), INDEX)
