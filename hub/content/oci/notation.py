"""
Signatures of notation (the Notary Project): a JWS envelope beside the manifest, made with a certificate.

A trust policy says for which repositories which checks count, and who may sign; roots of trust are all certificates of
the same Secret, whatever trust store the policy names (Flux sources fact 43). Envelopes in COSE, signing authorities,
plugins and timestamps of a TSA are not understood, and neither is revocation asked for: what needs them is refused.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError
from jwt.algorithms import get_default_algorithms

from hub.content.oci.signed import BadTrustError, Signed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from cryptography.x509 import Certificate

    from hub.content.oci.client import Registry

SIGNATURE = "application/vnd.cncf.notary.signature"
JWS, COSE = "application/jose+json", "application/cose"
POLICY = "trustpolicy.json"
_PAYLOAD = "application/vnd.cncf.notary.payload.v1+json"
_SCHEME, _EXPIRY = "io.cncf.notary.signingScheme", "io.cncf.notary.expiry"
_ALGORITHMS = ("PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
_MOST = 50  # signatures that are looked at: anybody who may push can add some
_DEEPEST = 10  # certificates of a chain
_LATER = ("authenticTimestamp", "expiry", "revocation")
_LEVELS = {
    "strict": {"authenticity": "enforce", **dict.fromkeys(_LATER, "enforce")},
    "permissive": {"authenticity": "enforce", **dict.fromkeys(_LATER, "log")},
    "audit": {"authenticity": "log", **dict.fromkeys(_LATER, "log")},
}


@dataclass(frozen=True, slots=True)
class Policy:
    """
    What counts for one repository.

    Attributes:
        skip: Nothing is checked.
        enforced: The checks that have to hold; that the signature is genuine always has to.
        identities: Subjects of certificates that may sign; None is any.
    """

    skip: bool
    enforced: frozenset[str]
    identities: tuple[x509.Name, ...] | None


async def envelopes(registry: Registry, digest: str) -> AsyncIterator[Signed]:
    """Give the signatures that refer to a manifest. Raises ``RegistryError``."""
    for referrer in (await registry.referrers(digest))[:_MOST]:
        manifest = await registry.manifest(referrer.digest)
        kind = manifest.config.media_type if manifest.config is not None else ""
        for layer in manifest.layers[:1]:
            if layer.media_type == JWS:
                yield _signed(await registry.read(layer))
            elif layer.media_type == COSE or kind == SIGNATURE:
                yield Signed(b"", b"", digest)


class Notation:
    """
    Trusts owners of certificates.

    Args:
        policy: What counts for the repository.
        roots: Certificates that chains end in.
        clock: The time now.
    """

    def __init__(
        self, policy: Policy, roots: list[Certificate], clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.policy = policy
        self._roots = roots
        self._clock = clock

    def doubts(self, signed: Signed) -> str:
        """Return why a signature does not count; empty when it does."""
        if not signed.bundle:
            return "in an envelope that is not supported: sign with '--signature-format jws'"
        try:
            self._check(signed)
        except Exception as error:  # noqa: BLE001  # strangers push what this reads: whatever breaks is not trusted
            return " ".join(str(error).split())[:300] or type(error).__name__
        return ""

    def _check(self, signed: Signed) -> None:
        envelope = json.loads(signed.bundle)
        protected = json.loads(_unpadded(envelope["protected"]))
        chain = [x509.load_der_x509_certificate(base64.b64decode(one)) for one in envelope["header"]["x5c"]]
        _check_header(protected)
        if not chain or len(chain) > _DEEPEST:
            raise ValueError(f"its chain has {len(chain)} certificates")
        algorithm = get_default_algorithms()[protected["alg"]]
        if not algorithm.verify(signed.data, chain[0].public_key(), signed.signature):
            raise ValueError("its signature is not genuine")
        self._check_chain(chain)
        self._check_time(protected, chain)
        revocable = any(_says_where_to_ask(one) for one in chain if one not in self._roots)
        if revocable and "revocation" in self.policy.enforced:
            raise ValueError(
                "nobody here asks whether its certificate was revoked: the trust policy has to say so, "
                "with 'revocation: skip' in signatureVerification.override"
            )

    def _check_chain(self, chain: list[Certificate]) -> None:
        if "authenticity" not in self.policy.enforced:
            return
        leaf = chain[0]
        if leaf not in self._roots:  # notation makes certificates for tests that are their own authority
            _verify_chain(leaf, chain[1:], self._roots)
        _check_usage(leaf)
        wanted = self.policy.identities
        if wanted is not None and not any(set(name) <= set(leaf.subject) for name in wanted):
            raise ValueError(
                f"made by '{leaf.subject.rfc4514_string()}', who is none of the policy's trustedIdentities"
            )

    def _check_time(self, protected: Mapping[str, Any], chain: list[Certificate]) -> None:
        now = self._clock()
        if "authenticTimestamp" in self.policy.enforced:
            for one in chain:
                if not one.not_valid_before_utc <= now <= one.not_valid_after_utc:
                    raise ValueError(f"the certificate '{one.subject.rfc4514_string()}' is not valid now")
        ends = protected.get(_EXPIRY) if "expiry" in self.policy.enforced else None
        if ends and datetime.fromisoformat(str(ends)) < now:
            raise ValueError(f"it expired at {ends}")


def parse_policy(data: bytes, repository: str) -> Policy:
    """
    Return what a trust policy wants of a repository.

    Raises:
        BadTrustError: It is none, or says nothing of the repository.
    """
    try:
        found = json.loads(data)["trustPolicies"]
        for scope in (repository, "*"):
            for one in found:
                if scope in one["registryScopes"]:
                    return _policy(one)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise BadTrustError(f"'{POLICY}' is not a trust policy: {error}") from error
    raise BadTrustError(f"'{POLICY}' has no trust policy for '{repository}'")


def parse_roots(pems: Mapping[str, bytes]) -> list[Certificate]:
    """Return the certificates of PEM files, by their names. Raises ``BadTrustError``."""
    found: list[Certificate] = []
    for name, pem in pems.items():
        try:
            found += x509.load_pem_x509_certificates(pem)
        except ValueError as error:
            raise BadTrustError(f"'{name}' is not a PEM certificate") from error
    return found


def _policy(found: dict[str, Any]) -> Policy:
    verification = found["signatureVerification"]
    level = verification["level"]
    if level == "skip":
        return Policy(skip=True, enforced=frozenset(), identities=None)
    checks = _LEVELS[level] | verification.get("override", {})
    names = [str(one) for one in found["trustedIdentities"]]
    subjects = [x509.Name.from_rfc4514_string(_subject(name)) for name in names if name != "*"]
    enforced = frozenset(name for name, how in checks.items() if how == "enforce")
    return Policy(skip=False, enforced=enforced, identities=None if "*" in names else tuple(subjects))


def _subject(identity: str) -> str:
    kind, _, name = identity.partition(":")
    if kind != "x509.subject":
        raise ValueError(f"the identity '{identity}' is not of the form 'x509.subject: ...'")
    return ",".join(part.strip() for part in name.split(","))


def _signed(data: bytes) -> Signed:
    """Read an envelope; one that cannot be read speaks of nothing."""
    try:
        envelope = json.loads(data)
        payload, protected = str(envelope["payload"]), str(envelope["protected"])
        digest = str(json.loads(_unpadded(payload))["targetArtifact"]["digest"])
        return Signed(f"{protected}.{payload}".encode(), _unpadded(envelope["signature"]), digest, bundle=data)
    except (ValueError, RecursionError, LookupError, TypeError):
        return Signed(b"", b"", "")


def _unpadded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _check_header(protected: Mapping[str, Any]) -> None:
    if protected["alg"] not in _ALGORITHMS:
        raise ValueError(f"its algorithm '{protected['alg']}' is not allowed")
    if protected["cty"] != _PAYLOAD:
        raise ValueError(f"its payload is of the type '{protected['cty']}'")
    if protected[_SCHEME] != "notary.x509":
        raise ValueError(f"its signing scheme '{protected[_SCHEME]}' is not supported: use notary.x509")
    if unknown := set(protected.get("crit", ())) - {_SCHEME, _EXPIRY}:
        raise ValueError(f"it needs what is not supported: {', '.join(sorted(unknown))}")


def _verify_chain(leaf: Certificate, between: list[Certificate], roots: list[Certificate]) -> None:
    # When certificates are valid is another check, which a policy may leave out: here it is when the leaf was.
    builder = PolicyBuilder().store(Store(roots)).time(leaf.not_valid_after_utc)
    policies = {"ca_policy": ExtensionPolicy.webpki_defaults_ca(), "ee_policy": ExtensionPolicy.permit_all()}
    try:
        builder.extension_policies(**policies).build_client_verifier().verify(leaf, between)
    except (VerificationError, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(f"its certificate does not lead to a trusted one: {error}") from error


def _check_usage(leaf: Certificate) -> None:
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    if not usage.digital_signature:
        raise ValueError("its certificate is not for signatures")
    try:
        purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if ExtendedKeyUsageOID.CODE_SIGNING not in purposes:
        raise ValueError("its certificate is not for signing code")


def _says_where_to_ask(certificate: Certificate) -> bool:
    """Whether a certificate names a list or a server that tells whether it was revoked."""
    extensions = certificate.extensions
    oids = {one.oid for one in extensions}
    if x509.CRLDistributionPoints.oid in oids:
        return True
    if x509.AuthorityInformationAccess.oid not in oids:
        return False
    access = extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    return any(one.access_method == AuthorityInformationAccessOID.OCSP for one in access)
