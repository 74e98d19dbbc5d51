"""Whether an artifact in a registry is signed as ``spec.verify`` wants it. Follows Flux sources fact 43."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.content.oci.errors import RegistryError
from hub.errors import Stalled, Transient
from hub.sources.source import VERIFICATION_FAILED

if TYPE_CHECKING:
    from hub.api.source import ChartVerification
    from hub.content.oci.client import Registry
    from hub.runtime.origins import Origins

_KEY = ".pub"


async def check(
    verification: ChartVerification, namespace: str, registry: Registry, digest: str, origins: Origins
) -> None:
    """
    Check the signature of a manifest.

    Raises:
        Stalled: The way of signing is not supported (reason ``UnsupportedField``).
        Transient: There is no signature by a key of the Secret (reason ``VerificationError``).
    """
    provider = verification.provider
    if provider != "cosign":
        raise Stalled("UnsupportedField", f"spec.verify.provider '{provider}' is not supported: use cosign with keys")
    if verification.secret_ref is None:
        raise Stalled(
            "UnsupportedField",
            "keyless verification is not supported: name a Secret with cosign's public keys in spec.verify.secretRef",
        )
    from hub.content.oci.cosign import (  # noqa: PLC0415  # cryptography: megabytes that few hubs need
        BadKeyError,
        NotSignedError,
        parse_keys,
        verify,
    )

    name = verification.secret_ref.name
    data = await origins.secret(namespace, name)
    pems = {key: value for key, value in data.items() if key.endswith(_KEY)}
    try:
        if not pems:
            raise BadKeyError(f"secret '{namespace}/{name}' has no key that ends with '{_KEY}'")
        await verify(registry, digest, parse_keys(pems))
    except (BadKeyError, NotSignedError) as error:
        raise _failed(f"{error} for '{registry.repository}@{digest}'") from error
    except RegistryError as error:
        raise _failed(error.message) from error


def _failed(why: str) -> Transient:
    return Transient(VERIFICATION_FAILED, f"failed to verify the signature using provider 'cosign': {why}")
