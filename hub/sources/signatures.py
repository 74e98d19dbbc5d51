"""
Whether an artifact in a registry is signed as ``spec.verify`` wants it (Flux sources facts 43 and 48), and whether a
chart has the provenance that an annotation wants, which Flux does not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.api.repositories import ArtifactVerification
from hub.content import provenance as provenances
from hub.content.oci.errors import RegistryError
from hub.content.oci.signed import BadTrustError, NotSignedError, verify
from hub.content.regex import BadPattern, Pattern
from hub.content.threads import in_thread
from hub.errors import Stalled, Transient
from hub.sources.source import VERIFICATION_FAILED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from hub.api.meta import LocalRef
    from hub.api.source import ChartVerification, OIDCIdentity
    from hub.content.oci.client import Registry
    from hub.content.oci.notation import Notation
    from hub.content.oci.reference import Repository
    from hub.content.oci.signed import Find, Trust
    from hub.content.oci.trustroot import TrustedRoots
    from hub.content.provenance import Provenance
    from hub.runtime.origins import Origins

_PROVIDERS = ("cosign", "notation")
_KEY, _CERTIFICATES = ".pub", (".crt", ".pem")
_TRUSTED_ROOT = "trusted_root.json"


class Signatures:
    """
    Checks signatures.

    Args:
        origins: Reads Secrets.
        roots: Gives the trusted root of keyless signatures.
    """

    def __init__(self, origins: Origins, roots: TrustedRoots) -> None:
        self._origins = origins
        self._roots = roots

    async def check(self, verification: ChartVerification, namespace: str, registry: Registry, digest: str) -> None:
        """
        Check the signature of a manifest.

        Raises:
            Stalled: The way of signing is not supported (reason ``UnsupportedField``).
            Transient: There is no signature by anybody who is trusted (reason ``VerificationError``).
        """
        provider = verification.provider
        if provider not in _PROVIDERS:
            why = f"spec.verify.provider '{provider}' is not supported"
            raise Stalled("UnsupportedField", f"{why}: use {' or '.join(_PROVIDERS)}")
        keyless = " keyless" if provider == "cosign" and verification.secret_ref is None else ""
        how = f"failed to verify the signature using provider '{provider}{keyless}'"
        try:
            if provider == "cosign":
                await verify(registry, digest, await self._trust(verification, namespace))
            else:
                await self._notation(verification.secret_ref, namespace, registry, digest)
        except NotSignedError as error:
            why = f"{error} for '{registry.repository}@{digest}'"
            raise Transient(VERIFICATION_FAILED, f"{how}: {why}") from error
        except (BadTrustError, BadPattern) as error:
            raise Transient(VERIFICATION_FAILED, f"{how}: {error}") from error
        except RegistryError as error:
            raise Transient(VERIFICATION_FAILED, f"{how}: {error.message}") from error

    async def prove(
        self, namespace: str, secret: str, provenance: Callable[[], Awaitable[Provenance]], digest: str
    ) -> str:
        """
        Check the provenance of a package with the keys of a Secret; return the ID of the key that signed it.

        Raises:
            Transient: None of them signed it for this package (reason ``VerificationError``).
        """
        keys = list((await self._origins.secret(namespace, secret)).values())
        try:
            return await in_thread(provenances.check, await provenance(), digest, keys)
        except provenances.BadProvenanceError as error:
            raise Transient(VERIFICATION_FAILED, f"failed to verify the provenance of the chart: {error}") from error

    async def _trust(self, verification: ChartVerification, namespace: str) -> Trust:
        """Return who is trusted, with the first use of a large library in a thread."""
        if (ref := verification.secret_ref) is not None:
            where = f"secret '{namespace}/{ref.name}'"
            return await in_thread(_keys, await self._origins.secret(namespace, ref.name), where)
        ref = verification.trusted_root_secret_ref if isinstance(verification, ArtifactVerification) else None
        root = await self._roots.get() if ref is None else await self._own_root(namespace, ref)
        return await in_thread(_keyless, root, verification.match_oidc_identity)

    async def _notation(self, ref: LocalRef | None, namespace: str, registry: Registry, digest: str) -> None:
        if ref is None:
            raise BadTrustError("spec.verify.secretRef names no Secret with a trust policy and certificates")
        data = await self._origins.secret(namespace, ref.name)
        trust, find = await in_thread(_notation, data, f"secret '{namespace}/{ref.name}'", registry.repository)
        if not trust.policy.skip:
            await verify(registry, digest, trust, find)

    async def _own_root(self, namespace: str, ref: LocalRef) -> bytes:
        root = (await self._origins.secret(namespace, ref.name)).get(_TRUSTED_ROOT)
        if root is None:
            raise BadTrustError(f"secret '{namespace}/{ref.name}' has no '{_TRUSTED_ROOT}'")
        return root


def _keys(data: Mapping[str, bytes], where: str) -> Trust:
    from hub.content.oci.cosign import Keys, parse_keys  # noqa: PLC0415  # cryptography: few hubs need it

    pems = {key: value for key, value in data.items() if key.endswith(_KEY)}
    if not pems:
        raise BadTrustError(f"{where} has no key that ends with '{_KEY}'")
    return Keys(parse_keys(pems))


def _keyless(root: bytes, identities: list[OIDCIdentity]) -> Trust:
    from hub.content.oci.keyless import Identity, Keyless  # noqa: PLC0415  # 0.4 s, 13 MiB

    return Keyless(root, [Identity(Pattern(one.issuer), Pattern(one.subject)) for one in identities])


def _notation(data: Mapping[str, bytes], where: str, repository: Repository) -> tuple[Notation, Find]:
    from hub.content.oci import notation  # noqa: PLC0415  # cryptography: few hubs need it

    if notation.POLICY not in data:
        raise BadTrustError(f"{where} has no '{notation.POLICY}'")
    policy = notation.parse_policy(data[notation.POLICY], str(repository))
    roots = notation.parse_roots({key: pem for key, pem in data.items() if key.endswith(_CERTIFICATES)})
    if not roots and not policy.skip:
        raise BadTrustError(f"{where} has no certificate: no key that ends with {' or '.join(_CERTIFICATES)}")
    return notation.Notation(policy, roots), notation.envelopes
