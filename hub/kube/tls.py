"""TLS material as Python's :mod:`ssl` wants it: in files. They live in memory, so no credential touches a disk."""

from __future__ import annotations

import os
import ssl
import tempfile
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def secret_file(content: bytes) -> Iterator[str]:
    """Yield a path from which ``content`` can be read until the block ends, by this process only."""
    with ExitStack() as stack:
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("hub-credential", os.MFD_CLOEXEC)
            stack.callback(os.close, descriptor)
            os.write(descriptor, content)
            yield f"/proc/self/fd/{descriptor}"
        else:  # no memfd outside Linux: a 0600 file that is gone as soon as it was read
            file = stack.enter_context(tempfile.NamedTemporaryFile(buffering=0))
            file.write(content)
            yield file.name


def check_authorities(pem: bytes) -> None:
    """Raise ValueError unless ``pem`` holds at least one certificate."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:  # UnicodeDecodeError is a ValueError
        raise ValueError("does not hold a PEM certificate") from error


def check_client_pair(certificate: bytes, key: bytes) -> None:
    """Raise ValueError unless the certificate and its private key are PEM, unencrypted, and belong together."""

    def no_password() -> str:
        raise ValueError("client key is encrypted")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with secret_file(certificate) as cert_path, secret_file(key) as key_path:
        try:
            context.load_cert_chain(cert_path, key_path, password=no_password)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise ValueError("client key does not belong to the client certificate") from error
            raise ValueError("client certificate or key is not PEM") from error
