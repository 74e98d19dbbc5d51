"""
Provenance of a chart, as ``helm package --sign`` makes it: a text signed with OpenPGP that names a package and its
digest.

::

    name: web            # Chart.yaml
    version: 1.0.0

    ...
    files:
      web-1.0.0.tgz: sha256:e1e4641c57d4...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hub.content import goyaml
from hub.content.pgp import PgpError, verify_text

if TYPE_CHECKING:
    from collections.abc import Sequence

SUFFIX = ".prov"
MAX_SIZE = 1 << 20
"""Bytes of a provenance file."""
_SEPARATOR = b"\n...\n"


class Provenance(NamedTuple):
    """
    What comes with a package.

    Attributes:
        text: The signed text.
        file: Name of the package.
    """

    text: bytes
    file: str


class BadProvenanceError(ValueError):
    """The package is not the one that a trusted key signed; the message says why."""


def check(provenance: Provenance, digest: str, keys: Sequence[bytes]) -> str:
    """
    Check that a trusted key signed the package of a digest; return the key's ID. Blocks.

    Raises:
        BadProvenanceError: It did not.
    """
    try:
        said, key = verify_text(provenance.text, keys)
    except PgpError as error:
        raise BadProvenanceError(str(error)) from error
    try:
        sums = goyaml.load(said.split(_SEPARATOR)[1])["files"]
        signed = sums.get(provenance.file)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise BadProvenanceError("what is signed is no provenance of a chart") from error
    if signed is None:
        raise BadProvenanceError(f"what is signed does not name '{provenance.file}'")
    if signed != digest:
        raise BadProvenanceError(f"{signed} is signed for '{provenance.file}', what came has {digest}")
    return key
