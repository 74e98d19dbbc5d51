"""
Whether somebody who is trusted signed a manifest: cosign signatures made with a key pair.

Both places where cosign puts them are looked at: the tag ``sha256-<hex>.sig`` (a layer for each signature, over a
"simple signing" payload), and bundles that refer to the manifest (version 3 of cosign; a DSSE envelope around an
in-toto statement). What is signed must name the digest of the manifest; a signature of something else
proves nothing. Neither a transparency log nor a certificate is asked for: the key alone is trusted.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from hub.content.oci.errors import RegistryNotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from hub.content.oci.client import Registry

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature"
BUNDLE = "application/vnd.dev.sigstore.bundle"
_KIND = "cosign container image signature"
_PREDICATE = "https://sigstore.dev/cosign/sign/v1"  # other statements, of provenance say, are no signatures
_MOST = 50  # signatures that are looked at: anybody who may push can add some

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey


class NotSignedError(ValueError):
    """No signature by a trusted key was found; the message says what was looked at."""


class BadKeyError(ValueError):
    """A public key that cannot be used; the message names it."""


class _Signed(NamedTuple):
    """Bytes, a signature over them, and the digest of what they speak of."""

    data: bytes
    signature: bytes
    digest: str


def parse_keys(keys: Mapping[str, bytes]) -> list[PublicKey]:
    """
    Return the public keys of PEM files, by their names.

    Raises:
        BadKeyError: One is not a public key of a kind that signs.
    """
    found = []
    for name, pem in keys.items():
        try:
            key = load_pem_public_key(pem)
        except ValueError as error:
            raise BadKeyError(f"'{name}' is not a PEM public key") from error
        if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey):
            raise BadKeyError(f"'{name}' is a key of a kind that cosign does not sign with")
        found.append(key)
    return found


async def verify(registry: Registry, digest: str, keys: Sequence[PublicKey]) -> None:
    """
    Check that one of the keys signed the manifest of a digest.

    Raises:
        NotSignedError: None did.
        RegistryError: Signatures cannot be read.
    """
    seen = elsewhere = 0
    async for signed in _signatures(registry, digest):
        seen += 1
        if signed.digest != digest:
            elsewhere += 1
        elif any(_is_by(key, signed) for key in keys):
            return
    if not seen:
        raise NotSignedError("no signatures found")
    if elsewhere == seen:
        raise NotSignedError(f"no matching signatures: {seen} found, made for another digest")
    raise NotSignedError(f"no matching signatures: {seen} found, none by a trusted key")


async def _signatures(registry: Registry, digest: str) -> AsyncIterator[_Signed]:
    tag = digest.replace(":", "-")
    try:
        manifest = await registry.manifest(f"{tag}.sig")
        for layer in manifest.layers[:_MOST]:
            if layer.media_type == SIMPLE_SIGNING:
                data = await registry.read(layer)
                yield _Signed(data, _decoded(layer.annotations.get(SIGNATURE_ANNOTATION, "")), _payload_digest(data))
    except RegistryNotFound:
        pass
    for referrer in (await registry.referrers(digest))[:_MOST]:
        # What kind of artifact it is says its manifest, not always the list.
        bundle = await registry.manifest(referrer.digest)
        for layer in bundle.layers[:_MOST]:
            if layer.media_type.startswith(BUNDLE):
                for signed in _of_bundle(await registry.read(layer)):
                    yield signed


def _of_bundle(data: bytes) -> list[_Signed]:
    envelope = _mapping(data).get("dsseEnvelope")
    if not isinstance(envelope, dict):
        return []
    payload, kind = _decoded(str(envelope.get("payload", ""))), str(envelope.get("payloadType", "")).encode()
    statement, signatures = _mapping(payload), envelope.get("signatures")
    subjects = statement.get("subject")
    if statement.get("predicateType") != _PREDICATE:
        return []
    if not isinstance(subjects, list) or not isinstance(signatures, list):
        return []
    encoded = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    named = [str(one["digest"].get("sha256", "")) for one in subjects if isinstance(one, dict) and "digest" in one]
    return [
        _Signed(encoded, _decoded(str(one.get("sig", ""))), f"sha256:{value}")
        for one in signatures
        if isinstance(one, dict)
        for value in named
    ]


def _payload_digest(data: bytes) -> str:
    critical = _mapping(data).get("critical")
    if not isinstance(critical, dict) or critical.get("type") != _KIND:
        return ""
    image = critical.get("image")
    return str(image.get("docker-manifest-digest", "")) if isinstance(image, dict) else ""


def _is_by(key: PublicKey, signed: _Signed) -> bool:
    try:
        match key:
            case ec.EllipticCurvePublicKey():
                key.verify(signed.signature, signed.data, ec.ECDSA(hashes.SHA256()))
            case rsa.RSAPublicKey():
                key.verify(signed.signature, signed.data, padding.PKCS1v15(), hashes.SHA256())
            case ed25519.Ed25519PublicKey():
                key.verify(signed.signature, signed.data)
    except InvalidSignature:
        return False
    return True


def _mapping(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
