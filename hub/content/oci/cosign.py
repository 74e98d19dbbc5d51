"""
cosign's signatures by key pairs: the holders of keys are trusted.

The key alone counts: neither a certificate nor a transparency log is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from hub.content.oci.signed import BadTrustError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hub.content.oci.signed import Signed

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey


class Keys:
    """Trusts the holders of key pairs."""

    def __init__(self, keys: Sequence[PublicKey]) -> None:
        self._keys = keys

    def doubts(self, signed: Signed) -> str:
        """Return why a signature does not count; empty when one of the keys made it."""
        return "" if any(_is_by(key, signed) for key in self._keys) else "none by a trusted key"


def parse_keys(keys: Mapping[str, bytes]) -> list[PublicKey]:
    """
    Return the public keys of PEM files, by their names.

    Raises:
        BadTrustError: One is not a public key of a kind that signs.
    """
    found = []
    for name, pem in keys.items():
        try:
            key = load_pem_public_key(pem)
        except ValueError as error:
            raise BadTrustError(f"'{name}' is not a PEM public key") from error
        if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey):
            raise BadTrustError(f"'{name}' is a key of a kind that cosign does not sign with")
        found.append(key)
    return found


def _is_by(key: PublicKey, signed: Signed) -> bool:
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
