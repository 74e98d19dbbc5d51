"""
Signatures of Git commits, made in memory: OpenPGP by Sequoia, SSH by the format of OpenSSH (``SSHSIG``).

Git itself would want key files and the programs ``gpg`` or ``ssh-keygen``; a key that is never written cannot be left
behind.
"""

from __future__ import annotations

import base64
import hashlib
import textwrap
from typing import TYPE_CHECKING, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from pysequoia import SignatureMode, Tsk, sign

from hub.content.keys import BadKeyError

if TYPE_CHECKING:
    from collections.abc import Callable

Signer: TypeAlias = "Callable[[bytes], str]"
"""Takes a commit without its signature, returns the signature, armored."""

_NAMESPACE, _HASH = b"git", b"sha512"
_CURVES = {"secp256r1": ("nistp256", hashes.SHA256()), "secp384r1": ("nistp384", hashes.SHA384()),
           "secp521r1": ("nistp521", hashes.SHA512())}  # fmt: skip


def openpgp(key: bytes, passphrase: str) -> Signer:
    """
    Return what signs with an OpenPGP private key, armored or not.

    Raises:
        BadKeyError: There is no usable private key, or the passphrase is wrong.
    """
    try:
        signer = Tsk.from_bytes(key).signer(passphrase or None)
    except Exception as error:
        why = "the passphrase is wrong or missing" if "decrypt" in str(error).lower() else "no usable private key"
        raise BadKeyError(f"{why} ({_first_line(error)})") from error

    def signature(data: bytes) -> str:
        try:
            return bytes(sign(signer, data, mode=SignatureMode.DETACHED)).decode("ascii")
        except Exception as error:
            raise BadKeyError(f"the key cannot sign ({_first_line(error)})") from error

    return signature


def ssh(key: bytes, passphrase: str) -> Signer:
    """
    Return what signs with an SSH private key: Ed25519, RSA or ECDSA, in OpenSSH's format or PEM.

    Raises:
        BadKeyError: The key cannot be read, the passphrase is wrong, or keys of this kind cannot sign.
    """
    loaded = _load(key, passphrase.encode() or None)
    public = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    if not isinstance(loaded, ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise BadKeyError("a key of this kind cannot sign: use ed25519, rsa or ecdsa")
    blob = base64.b64decode(loaded.public_key().public_bytes(*public).split()[1])

    def signature(data: bytes) -> str:
        digest = hashlib.sha512(data).digest()
        signed = b"SSHSIG" + b"".join(map(_text, (_NAMESPACE, b"", _HASH, digest)))
        parts = (blob, _NAMESPACE, b"", _HASH, _raw_signature(loaded, signed))
        whole = b"SSHSIG" + (1).to_bytes(4, "big") + b"".join(map(_text, parts))
        lines = "\n".join(textwrap.wrap(base64.b64encode(whole).decode(), 70))
        return f"-----BEGIN SSH SIGNATURE-----\n{lines}\n-----END SSH SIGNATURE-----\n"

    return signature


def _load(key: bytes, passphrase: bytes | None) -> object:
    load = (
        serialization.load_ssh_private_key
        if b"BEGIN OPENSSH PRIVATE KEY" in key
        else serialization.load_pem_private_key
    )
    try:
        return load(key, passphrase)
    except TypeError as error:
        raise BadKeyError("the key is encrypted and no password is given, or the other way round") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadKeyError(f"the key cannot be read, or the password is wrong ({_first_line(error)})") from error


def _raw_signature(
    key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, data: bytes
) -> bytes:
    """Return a signature as it travels in SSH: the name of its kind, then itself."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return _text(b"ssh-ed25519") + _text(key.sign(data))
    if isinstance(key, rsa.RSAPrivateKey):
        return _text(b"rsa-sha2-512") + _text(key.sign(data, padding.PKCS1v15(), hashes.SHA512()))
    name, digest = _CURVES[key.curve.name]
    numbers = decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
    return _text(f"ecdsa-sha2-{name}".encode()) + _text(b"".join(_text(_integer(number)) for number in numbers))


def _text(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _integer(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
