"""
Whether somebody who is trusted signed a manifest. What is signed must name the digest of the manifest; a signature of
something else proves nothing. Who is trusted says a :class:`Trust`: of keys (:mod:`hub.content.oci.cosign`) or of
people whom an authority certifies (:mod:`hub.content.oci.keyless`).

cosign puts them into two places: the tag ``sha256-<hex>.sig`` (a layer for each signature, over a "simple signing"
payload, certificate and log entry in its annotations), and bundles that refer to the manifest (version 3 of cosign; a
DSSE envelope around an in-toto statement).
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from hub.content.oci.errors import RegistryNotFound
from hub.content.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from hub.content.oci.client import Registry
    from hub.content.oci.manifest import Descriptor

    Find = Callable[[Registry, str], AsyncIterator["Signed"]]

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature"
CERTIFICATE_ANNOTATION = "dev.sigstore.cosign/certificate"
LOG_ANNOTATION = "dev.sigstore.cosign/bundle"
BUNDLE = "application/vnd.dev.sigstore.bundle"
PREDICATE = "https://sigstore.dev/cosign/sign/v1"
"""Type of a statement that is a signature; others, of provenance say, are none."""
_KIND = "cosign container image signature"
_MOST = 50  # signatures that are looked at: anybody who may push can add some


class Signed(NamedTuple):
    """
    A signature, and what speaks for it.

    Attributes:
        data: What was signed.
        digest: Of the manifest that ``data`` speaks of.
        certificate: PEM of who signed; empty with a key, and in a bundle.
        logged: JSON of the log's promise, as annotations have it.
        bundle: JSON of the bundle that it is in.
    """

    data: bytes
    signature: bytes
    digest: str
    certificate: str = ""
    logged: str = ""
    bundle: bytes = b""


class Trust(Protocol):
    """Says whose signatures count."""

    def doubts(self, signed: Signed) -> str:
        """Return why a signature does not count; empty when it does. Called in a thread."""


class NotSignedError(ValueError):
    """No signature by somebody who is trusted was found; the message says what was looked at."""


class BadTrustError(ValueError):
    """What should say who is trusted cannot be used: a key, a trusted root. The message names it."""


async def verify(registry: Registry, digest: str, trust: Trust, find: Find | None = None) -> None:
    """
    Check that somebody who is trusted signed the manifest of a digest.

    Args:
        registry: Where it is.
        digest: Of the manifest.
        trust: Whose signatures count.
        find: Gives the signatures; None is where cosign puts them.

    Raises:
        NotSignedError: Nobody did.
        RegistryError: Signatures cannot be read.
    """
    seen = elsewhere = 0
    doubts = ""
    async for signed in (find or signatures)(registry, digest):
        seen += 1
        if signed.digest != digest:
            elsewhere += 1
            continue
        doubts = await in_thread(trust.doubts, signed)
        if not doubts:
            return
    if not seen:
        raise NotSignedError("no signatures found")
    if elsewhere == seen:
        raise NotSignedError(f"no matching signatures: {seen} found, made for another digest")
    raise NotSignedError(f"no matching signatures: {seen} found, {doubts}")


async def signatures(registry: Registry, digest: str) -> AsyncIterator[Signed]:
    """Give the signatures that are kept for a manifest. Raises ``RegistryError``."""
    try:
        manifest = await registry.manifest(f"{digest.replace(':', '-')}.sig")
        for layer in manifest.layers[:_MOST]:
            if layer.media_type == SIMPLE_SIGNING:
                yield _of_layer(layer, await registry.read(layer))
    except RegistryNotFound:
        pass
    for referrer in (await registry.referrers(digest))[:_MOST]:
        # What kind of artifact it is says its manifest, not always the list.
        bundle = await registry.manifest(referrer.digest)
        for layer in bundle.layers[:_MOST]:
            if layer.media_type.startswith(BUNDLE):
                for signed in _of_bundle(await registry.read(layer)):
                    yield signed


def dsse_encoding(kind: bytes, payload: bytes) -> bytes:
    """Return the bytes that a DSSE envelope's signature is over."""
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _of_layer(layer: Descriptor, data: bytes) -> Signed:
    notes = layer.annotations
    return Signed(
        data,
        _decoded(notes.get(SIGNATURE_ANNOTATION, "")),
        _payload_digest(data),
        notes.get(CERTIFICATE_ANNOTATION, ""),
        notes.get(LOG_ANNOTATION, ""),
    )


def _of_bundle(data: bytes) -> list[Signed]:
    envelope = _mapping(data).get("dsseEnvelope")
    if not isinstance(envelope, dict):
        return []
    payload, kind = _decoded(str(envelope.get("payload", ""))), str(envelope.get("payloadType", "")).encode()
    statement, found = _mapping(payload), envelope.get("signatures")
    subjects = statement.get("subject")
    if statement.get("predicateType") != PREDICATE:
        return []
    if not isinstance(subjects, list) or not isinstance(found, list):
        return []
    encoded = dsse_encoding(kind, payload)
    named = [_sha256(one) for one in subjects]
    return [
        Signed(encoded, _decoded(str(one.get("sig", ""))), f"sha256:{value}", bundle=data)
        for one in found
        if isinstance(one, dict)
        for value in named
        if value
    ]


def _sha256(subject: Any) -> str:
    digest = subject.get("digest") if isinstance(subject, dict) else None
    return str(digest.get("sha256", "")) if isinstance(digest, dict) else ""


def _payload_digest(data: bytes) -> str:
    critical = _mapping(data).get("critical")
    if not isinstance(critical, dict) or critical.get("type") != _KIND:
        return ""
    image = critical.get("image")
    return str(image.get("docker-manifest-digest", "")) if isinstance(image, dict) else ""


def _mapping(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
