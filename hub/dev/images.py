"""
Small images for the demo and the tests: real manifests of a registry, with nothing worth running in them.

``python -m hub.dev.images 127.0.0.1:5000/hello-kubernetes 1.0.1`` pushes one over plain HTTP.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import io
import json
import tarfile
import tempfile
from pathlib import Path

import aiohttp

from hub.content import digest as digests
from hub.content.oci.client import Registries
from hub.content.oci.manifest import compose_manifest
from hub.content.oci.reference import parse_repository

_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


async def push_image(name: str, *tags: str, text: str = "") -> str:
    """
    Push an image under some tags to a registry that speaks plain HTTP; return its digest.

    Args:
        name: Repository, e.g. ``127.0.0.1:5000/hello-kubernetes``.
        tags: Names to give it.
        text: Content; default is the first tag, so that other tags are other images.

    Raises:
        RegistryError: The registry does not take it.
    """
    layer = _tar("hello.txt", (text or tags[0]).encode())
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digests.of_bytes(layer)]},
    }
    async with aiohttp.ClientSession() as session:
        registry = Registries(lambda: session).open(parse_repository(name), insecure=True)
        with tempfile.TemporaryDirectory(prefix="hub-image-") as folder:
            files = {_CONFIG: json.dumps(config).encode(), _LAYER: gzip.compress(layer, mtime=0)}
            pushed = []
            for number, (media_type, data) in enumerate(files.items()):
                path = Path(folder) / str(number)
                await asyncio.to_thread(path.write_bytes, data)
                pushed.append(await registry.push(path, media_type))
        manifest = compose_manifest(pushed[0], pushed[1:], {})
        found = [await registry.push_manifest(manifest, tag) for tag in tags]
    return found[0].digest


def _tar(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def main() -> None:
    """Push an image."""
    parser = argparse.ArgumentParser(prog="python -m hub.dev.images", description="Push a small image over plain HTTP.")
    parser.add_argument("repository", help="e.g. 127.0.0.1:5000/hello-kubernetes")
    parser.add_argument("tags", nargs="+", metavar="tag")
    options = parser.parse_args()
    print(asyncio.run(push_image(options.repository, *options.tags)))  # noqa: T201  the program's output


if __name__ == "__main__":
    main()
