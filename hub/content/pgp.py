"""OpenPGP signatures, through Sequoia: detached ones, and texts that carry theirs. Blocks; run in a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


class PgpError(Exception):
    """Not signed by a trusted key, or a key that cannot be read; the message says which."""


def verify_detached(payload: bytes, signature: bytes, keys: Sequence[bytes]) -> str:
    """Return the ID of the trusted key that made a signature. Raises ``PgpError``."""
    import pysequoia  # noqa: PLC0415  loaded when somebody verifies

    return _key_id(_verify(keys, bytes=payload, signature=lambda: pysequoia.Sig.from_bytes(signature)))


def verify_text(text: bytes, keys: Sequence[bytes]) -> tuple[bytes, str]:
    """Return what a signed text says, and the ID of the trusted key that signed it. Raises ``PgpError``."""
    found = _verify(keys, bytes=text)
    return bytes(found.bytes or b""), _key_id(found)


def _verify(keys: Sequence[bytes], *, signature: Any = None, **what: Any) -> Any:
    import pysequoia  # noqa: PLC0415  as above

    certificates = []
    for key in keys:
        try:
            certificates += pysequoia.Cert.split_bytes(key)
        except Exception as error:  # the binding raises plain exceptions
            raise PgpError(f"a PGP public key of the Secret cannot be read: {_line(error)}") from error
    if not certificates:
        raise PgpError("it has a PGP signature, and the Secret holds no PGP public key")
    try:
        if signature is not None:
            what["signature"] = signature()
        found = pysequoia.verify(store=lambda _ids: certificates, **what)
    except Exception as error:  # the binding raises plain exceptions
        raise PgpError(f"unable to verify payload with any of the given key rings: {_line(error)}") from error
    if not found.valid_sigs:
        raise PgpError("unable to verify payload with any of the given key rings")
    return found


def _key_id(found: Any) -> str:
    return str(found.valid_sigs[0].signing_key)[-16:].upper()


def _line(error: Exception) -> str:
    return " ".join(str(error).partition("Stack backtrace")[0].split())[:200]
