"""
The tags that scans found, on disk: one small file for each ImageRepository, written whole or not at all.

They survive a restart, so policies have their answer before the next scan. A file that is lost or damaged is no harm:
the repository is scanned again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hub.content import digest as digests

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hub.api.meta import Key


class TagStore:
    """
    Lists of tags below one folder.

    Args:
        root: Folder of its own.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, key: Key, image: str, tags: Iterable[str]) -> str:
        """Keep the tags of an ImageRepository and return their revision. Blocks on the disk; raises ``OSError``."""
        listed = list(tags)
        revision = revision_of(listed)
        self._root.mkdir(parents=True, exist_ok=True)
        path = self._path(key)
        part = path.with_suffix(".part")
        part.write_text(json.dumps({"image": image, "revision": revision, "tags": listed}))
        part.replace(path)
        return revision

    def read(self, key: Key, image: str) -> list[str] | None:
        """Return the tags of an ImageRepository; None when there are none of this image. Blocks on the disk."""
        try:
            found = json.loads(self._path(key).read_bytes())
        except (OSError, ValueError):
            return None
        if not isinstance(found, dict) or found.get("image") != image or not isinstance(found.get("tags"), list):
            return None
        tags = [str(tag) for tag in found["tags"]]
        return tags if found.get("revision") == revision_of(tags) else None

    def drop(self, key: Key) -> None:
        """Forget an ImageRepository. Blocks on the disk; raises ``OSError``."""
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: Key) -> Path:
        return self._root / f"{digests.hex_of(digests.of_parts(key.namespace, key.name))[:32]}.json"


def revision_of(tags: list[str]) -> str:
    """Return the checksum of a list of tags (of its JSON, as Flux has it): ``sha256:<hex>``."""
    return digests.of_bytes(json.dumps(tags, separators=(",", ":")).encode())
