"""
Signatures without a key pair: whoever signs proves to an authority (Fulcio) who they are, gets a certificate for some
minutes, and has the signature written into a public log (Rekor). The only module that imports ``sigstore``.

Checked of each: the certificate's chain to the trusted root at the time that the log vouches for, its own entry in the
log of certificates (SCT), the log's promise, its proof and its signature, that the log's entry is of this very
signature, the signature itself, and then who signed. All of it offline; a trusted root is what is believed in.

Importing this costs 0.4 s of CPU and 13 MiB: do it in a thread, when somebody asks for it.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.serialization import Encoding
from sigstore.errors import Error, VerificationError
from sigstore.models import Bundle, InvalidBundle, TransparencyLogEntry, TrustedRoot
from sigstore.verify import Verifier
from sigstore_models.bundle import v1 as bundles
from sigstore_models.common import v1 as common
from sigstore_models.rekor import v1 as rekor
from sigstore_models.trustroot import v1 as trustroot

from hub.content.oci.signed import BadTrustError, dsse_encoding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.x509 import Certificate
    from sigstore._internal.trust import RekorKeyring

    from hub.content.oci.signed import Signed
    from hub.content.regex import Pattern

_ISSUER, _OLD_ISSUER, _USERNAME = (x509.ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{number}") for number in (8, 1, 7))
_LONGEST = 300  # characters of somebody else's explanation


class Identity(NamedTuple):
    """Who may sign: patterns that are searched for in the certificate's issuer and subject."""

    issuer: Pattern
    subject: Pattern


class Keyless:
    """
    Trusts people whom an authority certifies.

    Args:
        trusted_root: JSON, as Sigstore gives it out.
        identities: Who may sign, any of them; without one everybody who has a certificate, as in Flux.

    Raises:
        BadTrustError: It cannot be used.
    """

    def __init__(self, trusted_root: bytes, identities: Sequence[Identity]) -> None:
        try:
            self._verifier = Verifier(trusted_root=TrustedRoot(trustroot.TrustedRoot.from_json(trusted_root)))
        except (Error, ValueError) as error:
            raise BadTrustError(f"the trusted root cannot be used: {_short(error)}") from error
        self._policy = _Identities(identities)

    def doubts(self, signed: Signed) -> str:
        """Return why a signature does not count; empty when it does."""
        try:
            self._check(signed)
        except Exception as error:  # noqa: BLE001  # strangers push what this reads: whatever breaks is not trusted
            return _short(error)
        return ""

    def _check(self, signed: Signed) -> None:
        if signed.bundle:
            kind, payload = self._verifier.verify_dsse(Bundle.from_json(signed.bundle), self._policy)
            if dsse_encoding(kind.encode(), payload) != signed.data:
                raise VerificationError("the bundle's envelope can be read in two ways")
        elif not signed.certificate:
            raise VerificationError("made with a key: it has no certificate")
        elif not signed.logged:
            raise VerificationError("no entry of a transparency log comes with it")
        else:
            self._verifier.verify_artifact(signed.data, _AnnotatedBundle(_bundle_of(signed)), self._policy)


class _Identities:
    """The policy that the certificate's owner is one of those who may sign."""

    def __init__(self, identities: Sequence[Identity]) -> None:
        self._identities = identities

    def verify(self, cert: Certificate) -> None:
        """Raise ``VerificationError`` for anybody else."""
        if not self._identities:
            return
        issuer, subjects = _issuer(cert), _subjects(cert)
        for wanted in self._identities:
            if wanted.issuer.matches(issuer) and any(wanted.subject.matches(subject) for subject in subjects):
                return
        who = f"'{', '.join(subjects)}' of the issuer '{issuer}'"
        raise VerificationError(f"made by {who}, who is none of spec.verify.matchOIDCIdentity")


class _PromisedEntry(TransparencyLogEntry):
    """A log entry with the log's signed promise to take it in; cosign's annotations hold no proof that it did."""

    def _validate(self) -> None:
        if self._inner.inclusion_promise is None:
            raise InvalidBundle("entry must contain an inclusion promise")

    def _verify(self, keyring: RekorKeyring) -> None:
        self._verify_set(keyring)


class _AnnotatedBundle(Bundle):
    """What the annotations of a signature hold, as a bundle."""

    def _verify(self) -> None:
        material = self._inner.verification_material
        if material.certificate is None:
            raise InvalidBundle("expected certificate in bundle")
        self._signing_certificate = x509.load_der_x509_certificate(material.certificate.raw_bytes)
        self._log_entry = _PromisedEntry(material.tlog_entries[0])


def _bundle_of(signed: Signed) -> bundles.Bundle:
    certificate = x509.load_pem_x509_certificate(signed.certificate.encode())
    logged = json.loads(signed.logged)
    entry, body = logged["Payload"], base64.b64decode(logged["Payload"]["body"], validate=True)
    kind = json.loads(body)
    fields: dict[str, Any] = {
        "log_index": int(entry["logIndex"]),
        "log_id": common.LogId(key_id=base64.b64encode(bytes.fromhex(entry["logID"]))),
        "kind_version": rekor.KindVersion(kind=kind["kind"], version=kind["apiVersion"]),
        "integrated_time": int(entry["integratedTime"]),
        "inclusion_promise": rekor.InclusionPromise(signed_entry_timestamp=logged["SignedEntryTimestamp"]),
        "canonicalized_body": body,
    }
    inner = rekor.TransparencyLogEntry.model_construct(**fields)  # not parsed: the model insists on a proof
    der = base64.b64encode(certificate.public_bytes(Encoding.DER))
    material = bundles.VerificationMaterial.model_construct(
        certificate=common.X509Certificate(raw_bytes=der), tlog_entries=[inner]
    )
    return bundles.Bundle.model_construct(
        media_type=Bundle.BundleType.BUNDLE_0_1.value,
        verification_material=material,
        message_signature=common.MessageSignature(signature=base64.b64encode(signed.signature)),
        dsse_envelope=None,
    )


def _issuer(cert: Certificate) -> str:
    try:
        extension = cert.extensions.get_extension_for_oid(_ISSUER)
        return asn1.decode_der(str, _raw(extension))
    except x509.ExtensionNotFound:
        pass
    try:
        return _raw(cert.extensions.get_extension_for_oid(_OLD_ISSUER)).decode()
    except x509.ExtensionNotFound:
        raise VerificationError("its certificate does not say who vouched for the signer") from None


def _raw(extension: x509.Extension[x509.ExtensionType]) -> bytes:
    if not isinstance(extension.value, x509.UnrecognizedExtension):
        raise VerificationError("its certificate has an extension of an unknown shape")
    return extension.value.value


def _subjects(cert: Certificate) -> list[str]:
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    others = [name for name in names.get_values_for_type(x509.OtherName) if name.type_id == _USERNAME]
    return [
        *names.get_values_for_type(x509.RFC822Name),
        *names.get_values_for_type(x509.UniformResourceIdentifier),
        *names.get_values_for_type(x509.DNSName),
        *(asn1.decode_der(str, name.value) for name in others),
    ]


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
