"""
Who signed a commit or a tag: OpenPGP, and SSH signatures through asyncssh. Blocks; run in a thread.

Keys come from a Secret: values of keys that end in ``.sshpub`` are SSH public keys, all others OpenPGP certificates.
Which of the two a signature is, it says itself. Flux sources fact 28.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.content.pgp import PgpError, verify_detached

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.content.gitobjects import Signed

_PGP = b"-----BEGIN PGP SIGNATURE-----"
_SSH = b"-----BEGIN SSH SIGNATURE-----"
_PRINCIPAL = "git"


class SignatureError(Exception):
    """Not signed, or not by a trusted key; the message says which."""


@dataclass(frozen=True, slots=True)
class TrustedKeys:
    """The public keys of a Secret.

    Attributes:
        pgp: OpenPGP certificates, armored or not.
        ssh: Lines as in ``authorized_keys``.
    """

    pgp: tuple[bytes, ...] = ()
    ssh: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, data: Mapping[str, bytes]) -> TrustedKeys:
        """Sort the values of a Secret."""
        ssh = tuple(value for key, value in sorted(data.items()) if key.endswith(".sshpub"))
        return cls(tuple(value for key, value in sorted(data.items()) if not key.endswith(".sshpub")), ssh)

    def verify(self, signed: Signed) -> str:
        """
        Return the name of the trusted key that made the signature: a key ID, or ``SHA256:...`` for SSH.

        Raises:
            SignatureError: See there.
        """
        signature = signed.signature.strip()
        if not signature:
            raise SignatureError("it is not signed")
        if signature.startswith(_PGP):
            try:
                return verify_detached(signed.payload, signature, self.pgp)
            except PgpError as error:
                raise SignatureError(str(error)) from error
        if signature.startswith(_SSH):
            return _verify_ssh(signed.payload, signature, self.ssh)
        raise SignatureError("its signature is of an unknown kind: PGP and SSH are supported")


def _verify_ssh(payload: bytes, signature: bytes, keys: tuple[bytes, ...]) -> str:
    import asyncssh  # noqa: PLC0415  loaded when somebody verifies
    from asyncssh.sshsig import import_allowed_signers  # noqa: PLC0415

    lines = [line for key in keys for line in key.decode("utf-8", "replace").splitlines() if line.strip()]
    trusted = [line for line in lines if not line.lstrip().startswith("#")]
    if not trusted:
        raise SignatureError("it has an SSH signature, and the Secret holds no SSH public key (a '.sshpub' key)")
    for line in trusted:
        try:
            asyncssh.import_public_key(line)
            signers = import_allowed_signers(f'{_PRINCIPAL} namespaces="git" {line}\n')
            valid = asyncssh.validate_sshsig(payload, signature, _PRINCIPAL, signers)
        except (ValueError, asyncssh.Error, asyncssh.KeyImportError) as error:
            raise SignatureError(
                f"its SSH signature, or a key of the Secret, cannot be read: {_line(error)}"
            ) from error
        if valid:
            return _fingerprint(line)
    raise SignatureError("unable to verify payload with any of the given authorized keys")


def _fingerprint(line: str) -> str:
    digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
