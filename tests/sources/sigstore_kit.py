"""A small Sigstore: an authority that certifies people, a log of certificates, a log of signatures, and a signer."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from hub.content.oci import signed
from hub.content.oci.manifest import EMPTY_CONFIG, INDEX, compose_manifest

ISSUER, SUBJECT = "https://accounts.example.com", "build@example.com"
SHA = ec.ECDSA(hashes.SHA256())


def b64(data):
    return base64.b64encode(data).decode()


def payload(digest):
    image = {"docker-manifest-digest": digest}
    return json.dumps({"critical": {"type": "cosign container image signature", "image": image}}).encode()


def spki(key):
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def key_id(key):
    return hashlib.sha256(spki(key)).digest()


class Sigstore:
    """The services; ``trusted_root`` is what believes in them."""

    def __init__(self):
        self.now = datetime.now(UTC).replace(microsecond=0)
        self._authority, self._certificates, self._log = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        usage = x509.KeyUsage(
            digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        self._root = (
            self._builder(self._name, self._authority.public_key(), -timedelta(days=900), timedelta(days=900))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._authority.public_key()), critical=False)
            .sign(self._authority, hashes.SHA256())
        )

    @property
    def trusted_root(self):
        start = {"start": (self.now - timedelta(days=900)).isoformat().replace("+00:00", "Z")}

        def log(key, url):
            public = {"rawBytes": b64(spki(key)), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": start}
            return {
                "baseUrl": url, "hashAlgorithm": "SHA2_256", "publicKey": public, "logId": {"keyId": b64(key_id(key))},
            }  # fmt: skip

        chain = {"certificates": [{"rawBytes": b64(self._root.public_bytes(serialization.Encoding.DER))}]}
        authority = {
            "subject": {"organization": "example", "commonName": "authority"},
            "uri": "https://fulcio.example.com",
            "certChain": chain,
            "validFor": start,
        }
        return json.dumps(
            {
                "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": [log(self._log, "https://rekor.example.com")],
                "certificateAuthorities": [authority],
                "ctlogs": [log(self._certificates, "https://ctfe.example.com")],
                "timestampAuthorities": [],
            }
        ).encode()

    def _builder(self, name, public, begins, ends):
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now + begins)
            .not_valid_after(self.now + ends)
        )

    def certify(self, public, *, subject=SUBJECT, issuer=ISSUER, logged=True, old=False):
        """Certify somebody from five minutes ago for ten minutes; ``old``: say the issuer as it was said at first."""
        general = x509.UniformResourceIdentifier(subject) if "://" in subject else x509.RFC822Name(subject)
        issued = b"\x0c" + bytes([len(issuer)]) + issuer.encode()
        oid, value = ("1.1", issuer.encode()) if old else ("1.8", issued)
        usage = x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        oid = x509.ObjectIdentifier(f"1.3.6.1.4.1.57264.{oid}")
        builder = (
            self._builder(x509.Name([]), public, -timedelta(minutes=5), timedelta(minutes=5))
            .add_extension(x509.SubjectAlternativeName([general]), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._authority.public_key()), critical=False
            )
            .add_extension(x509.UnrecognizedExtension(oid, value), critical=False)
        )
        without = builder.sign(self._authority, hashes.SHA256())
        if not logged:
            return without
        timestamps = x509.UnrecognizedExtension(
            ExtensionOID.PRECERT_SIGNED_CERTIFICATE_TIMESTAMPS, self._timestamp(without)
        )
        return builder.add_extension(timestamps, critical=False).sign(self._authority, hashes.SHA256())

    def _timestamp(self, certificate):
        """Return the list of one signed certificate timestamp, as RFC 6962 writes it."""
        body = certificate.tbs_certificate_bytes
        moment = int(self.now.timestamp() * 1000)
        entry = hashlib.sha256(spki(self._authority)).digest() + len(body).to_bytes(3, "big") + body
        said = struct.pack("!BBQH", 0, 0, moment, 1) + entry + b"\x00\x00"
        signature = self._certificates.sign(said, SHA)
        one = b"\x00" + key_id(self._certificates) + struct.pack("!QH", moment, 0) + b"\x04\x03"
        one += struct.pack("!H", len(signature)) + signature
        listed = struct.pack("!HH", len(one) + 2, len(one)) + one
        size = len(listed)
        return b"\x04" + (bytes([size]) if size < 128 else bytes([0x81, size])) + listed

    def promise(self, body, moment):
        """Return the fields of a log entry and the log's signature over them."""
        fields = {"body": b64(body), "integratedTime": moment, "logID": key_id(self._log).hex(), "logIndex": 7}
        return fields, self._log.sign(json.dumps(fields, separators=(",", ":"), sort_keys=True).encode(), SHA)

    def proof(self, body):
        """Return the proof that a log of one entry has it."""
        root = hashlib.sha256(b"\x00" + body).digest()
        note = f"rekor.example.com - 1\n1\n{b64(root)}\n"
        signature = b64(key_id(self._log)[:4] + self._log.sign(note.encode(), SHA))
        checkpoint = {"envelope": f"{note}\n\u2014 rekor.example.com {signature}\n"}
        return {"logIndex": "0", "treeSize": "1", "rootHash": b64(root), "hashes": [], "checkpoint": checkpoint}


class KeylessSigner:
    """Signs manifests as cosign does, and puts that where cosign does."""

    def __init__(self, sigstore, registry, folder):
        self.sigstore = sigstore
        self.registry = registry
        self.folder = folder

    async def blob(self, data, media_type, annotations=None):
        (self.folder / "blob").write_bytes(data)
        return await self.registry.push(self.folder / "blob", media_type, annotations)

    async def annotated(self, digest, *, of="", at=0, forged=False, log=True, by=None, entry_of=None, **who):
        """
        Sign as version 1 and 2 of cosign do.

        ``of``: the digest that is signed instead; ``at``: seconds from now of the log entry; ``forged``: the log's
        entry is changed after its promise; ``entry_of``: the log's entry is of other data; ``by``: another Sigstore.
        """
        sigstore, key = by or self.sigstore, ec.generate_private_key(ec.SECP256R1())
        data = payload(of or digest)
        signature, certificate = key.sign(data, SHA), sigstore.certify(key.public_key(), **who)
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        body = hashedrekord(entry_of or data, signature, pem)
        fields, promise = sigstore.promise(body, int(self.sigstore.now.timestamp()) + at)
        if forged:
            fields["integratedTime"] += 1
        notes = {signed.SIGNATURE_ANNOTATION: b64(signature), signed.CERTIFICATE_ANNOTATION: pem.decode()}
        if log:
            notes[signed.LOG_ANNOTATION] = json.dumps({"SignedEntryTimestamp": b64(promise), "Payload": fields})
        layer = await self.blob(data, signed.SIMPLE_SIGNING, notes)
        manifest = compose_manifest(await self.blob(b"{}", EMPTY_CONFIG), [layer], {})
        await self.registry.push_manifest(manifest, f"{digest.replace(':', '-')}.sig")

    async def bundled(self, digest, *, of="", at=0, forged=False, by=None, **who):
        """Sign as version 3 of cosign does; the same words mean the same."""
        sigstore, key = by or self.sigstore, ec.generate_private_key(ec.SECP256R1())
        subject = [{"digest": {"sha256": (of or digest).removeprefix("sha256:")}}]
        statement = json.dumps({"subject": subject, "predicateType": signed.PREDICATE}).encode()
        kind = "application/vnd.in-toto+json"
        signature = key.sign(signed.dsse_encoding(kind.encode(), statement), SHA)
        certificate = sigstore.certify(key.public_key(), **who)
        body = dsse(statement, signature, certificate.public_bytes(serialization.Encoding.PEM))
        moment = int(self.sigstore.now.timestamp()) + at
        fields, promise = sigstore.promise(body, moment)
        entry = {
            "logIndex": str(fields["logIndex"]),
            "logId": {"keyId": b64(bytes.fromhex(fields["logID"]))},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": str(moment + 1 if forged else moment),
            "inclusionPromise": {"signedEntryTimestamp": b64(promise)},
            "inclusionProof": sigstore.proof(body),
            "canonicalizedBody": b64(body),
        }
        der = b64(certificate.public_bytes(serialization.Encoding.DER))
        bundle = {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"certificate": {"rawBytes": der}, "tlogEntries": [entry]},
            "dsseEnvelope": {
                "payload": b64(statement), "payloadType": kind, "signatures": [{"sig": b64(signature)}],
            },
        }  # fmt: skip
        layer = await self.blob(json.dumps(bundle).encode(), f"{signed.BUNDLE}.v0.3+json")
        pushed = await self.registry.push_manifest(
            compose_manifest(await self.blob(b"{}", EMPTY_CONFIG), [layer], {}), "bundle"
        )
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [pushed.as_dict()]}
        await self.registry.push_manifest(json.dumps(index).encode(), digest.replace(":", "-"), INDEX)


def hashedrekord(data, signature, pem):
    spec = {
        "data": {"hash": {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}},
        "signature": {"content": b64(signature), "publicKey": {"content": b64(pem)}},
    }
    return json.dumps({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": spec}).encode()


def dsse(statement, signature, pem):
    spec = {
        "envelopeHash": {"algorithm": "sha256", "value": "0" * 64},
        "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(statement).hexdigest()},
        "signatures": [{"signature": b64(signature), "verifier": b64(pem)}],
    }
    return json.dumps({"apiVersion": "0.0.1", "kind": "dsse", "spec": spec}).encode()
