from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ed25519
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from hub.content.oci.signed import BadTrustError
from hub.content.oci.trustroot import TARGET, TrustedRoots


class Mirror:
    """A TUF repository of one target, over HTTP."""

    def __init__(self):
        self.signer = CryptoSigner(ed25519.Ed25519PrivateKey.generate())
        self.files = {}
        self.asked = []
        self.up = True

    async def __aenter__(self):
        app = web.Application()
        app.router.add_get("/{name:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    async def _serve(self, request):
        name = request.match_info["name"]
        self.asked.append(name)
        if not self.up:
            return web.Response(status=503)
        return web.Response(body=self.files[name]) if name in self.files else web.Response(status=404)

    def publish(self, target, version=1, signer=None):
        """Publish a target; the metadata of the root is never renewed."""
        ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
        root = Root(expires=ends)
        for role in ("root", "targets", "snapshot", "timestamp"):
            root.add_key(self.signer.public_key, role)
        targets = Targets(version=version, expires=ends)
        listed = targets.targets[TARGET] = TargetFile.from_data(TARGET, target)
        snapshot = Snapshot(version=version, expires=ends, meta={"targets.json": MetaFile(version)})
        timestamp = Timestamp(version=version, expires=ends, snapshot_meta=MetaFile(version))
        self.files = {f"targets/{listed.hashes['sha256']}.{TARGET}": target}
        parts = {"targets": targets, "snapshot": snapshot, "timestamp": timestamp, "root": root}
        for role, what in parts.items():
            data = Metadata(what)
            data.sign(self.signer if role == "root" else signer or self.signer)
            name = role if role == "timestamp" else f"{version if role != 'root' else 1}.{role}"
            self.files[f"{name}.json"] = data.to_bytes()
        return self.files["1.root.json"]


@pytest.fixture
async def mirror():
    async with Mirror() as running:
        yield running


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


async def test_a_file_is_read_each_time(tmp_path):
    roots = TrustedRoots(tmp_path / "root.json", tmp_path / "tuf")
    with pytest.raises(BadTrustError, match="--sigstore-trusted-root cannot be read: No such file"):
        await roots.get()
    for content in (b"1", b"2"):
        (tmp_path / "root.json").write_bytes(content)
        assert await roots.get() == content
    assert not (tmp_path / "tuf").exists()


async def test_the_public_one_is_fetched_once_a_day(tmp_path, mirror):
    first, clock = mirror.publish(b"first"), Clock()
    roots = TrustedRoots(None, tmp_path, url=mirror.url, bootstrap=first, clock=clock)
    assert await roots.get() == b"first"
    mirror.publish(b"second", 2)
    mirror.asked.clear()
    assert (await roots.get(), mirror.asked) == (b"first", [])
    clock.now = 25 * 3600
    assert await roots.get() == b"second"


async def test_while_nobody_answers_the_last_one_is_good_for_a_week(tmp_path, mirror):
    first, clock = mirror.publish(b"first"), Clock()
    roots = TrustedRoots(None, tmp_path, url=mirror.url, bootstrap=first, clock=clock)
    await roots.get()
    mirror.up = False
    clock.now = 6 * 24 * 3600
    assert await roots.get() == b"first"
    mirror.asked.clear()
    assert (await roots.get(), mirror.asked) == (b"first", []), "nobody is asked again within a minute"
    clock.now = 8 * 24 * 3600
    with pytest.raises(BadTrustError, match=r"cannot get the trusted root from .*set --sigstore-trusted-root"):
        await roots.get()
    mirror.up = True
    clock.now += 61
    assert await roots.get() == b"first"


async def test_what_somebody_else_signed_is_refused(tmp_path, mirror):
    first = mirror.publish(b"first", signer=CryptoSigner(ed25519.Ed25519PrivateKey.generate()))
    with pytest.raises(BadTrustError, match="cannot get the trusted root"):
        await TrustedRoots(None, tmp_path, url=mirror.url, bootstrap=first).get()


async def test_the_library_brings_the_first_root_of_the_public_instance(tmp_path):
    """Without a network it cannot be refreshed; that it is asked for where it is says the message."""
    roots = TrustedRoots(None, tmp_path, url="http://127.0.0.1:9")
    with pytest.raises(BadTrustError, match="127"):
        await roots.get()
    assert (tmp_path / "metadata" / "root.json").exists(), "the first root was taken over"
