"""
The Bucket controller: keeps the objects of a bucket as files in an artifact. Follows Flux sources facts 49 and 50.

A look lists keys and ETags; objects are fetched when that list has changed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hub.api.repositories import Bucket
from hub.content import digest as digests
from hub.content.bucket import BadBucketError, BucketFailed, BucketReader, BucketSettings
from hub.errors import Stalled, Transient
from hub.runtime.origins import refused
from hub.sources.source import STORED, News, SourceReconciler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.content.bucket import Listing
    from hub.content.store import Store
    from hub.kube.client import Client
    from hub.runtime.cache import Cache
    from hub.runtime.events import Recorder
    from hub.runtime.origins import Origins
    from hub.runtime.steps import Attempt


class BucketReconciler(SourceReconciler[Bucket]):
    """Keeps an artifact of the objects of each Bucket."""

    def __init__(
        self,
        client: Client,
        cache: Cache,
        recorder: Recorder,
        *,
        store: Store,
        origins: Origins,
        max_size: int,
    ) -> None:
        super().__init__(client, cache, recorder, store=store)
        self._origins = origins
        self._max_size = max_size

    async def steps(self, attempt: Attempt[Bucket]) -> float:
        """Bring the artifact to what is in the bucket; return the interval in seconds. Raises ``HubError``."""
        spec, status = attempt.resource.spec, attempt.resource.status
        _refuse_unsupported(attempt.resource)
        current = await self.current(attempt)
        reader = await self._reader(attempt.resource)
        try:
            async with asyncio.timeout(spec.timeout.seconds):
                listing = await reader.listing(spec.prefix, spec.ignore)
                same_rules = (status.observed_ignore or "") == (spec.ignore or "")
                if current is not None and current.revision == listing.revision and same_rules:
                    attempt.conditions.mark_true(STORED, "Succeeded", _stored(listing))
                    self.unchanged(attempt, _stored(listing))
                else:
                    news = f"new upstream revision '{listing.revision}'"
                    await self.announce(attempt, news, news)
                    await self._build(attempt, reader, listing)
        except TimeoutError as error:
            why = f"no complete answer within {spec.timeout.seconds:g}s (spec.timeout)"
            raise BucketFailed(f"fetch from bucket '{spec.bucket_name}' failed: {why}") from error
        return spec.interval.seconds

    async def _build(self, attempt: Attempt[Bucket], reader: BucketReader, listing: Listing) -> None:
        spec, meta = attempt.resource.spec, attempt.resource.metadata
        async with self.store.workspace() as folder:
            objects, target = folder / "objects", folder / "artifact.tar.gz"
            await asyncio.to_thread(objects.mkdir)
            await reader.archive(listing, objects, target)
            name = f"{digests.hex_of(listing.revision)}.tar.gz"
            stored = await self.store.put("bucket", meta.namespace, meta.name, name, listing.revision, target)
        event = f"stored artifact with {len(listing.objects)} fetched files from '{spec.bucket_name}' bucket"
        await self.keep(attempt, stored, News("Succeeded", _stored(listing), event))
        attempt.resource.status.observed_ignore = spec.ignore

    async def _reader(self, bucket: Bucket) -> BucketReader:
        spec, namespace = bucket.spec, bucket.metadata.namespace
        secret: Mapping[str, bytes] = {}
        if spec.secret_ref is not None:
            secret = await self._origins.secret(namespace, spec.secret_ref.name)
        connection = await self._origins.connection(namespace, spec.cert_secret_ref, spec.proxy_secret_ref)
        if connection.tls is not None and connection.tls.certificate and spec.cert_secret_ref is not None:
            raise refused(
                namespace, spec.cert_secret_ref.name, "has a client certificate, which buckets do not support"
            )
        settings = BucketSettings(
            provider=spec.provider,
            name=spec.bucket_name,
            endpoint=spec.endpoint,
            region=spec.region,
            insecure=spec.insecure,
            credentials={key: value.decode(errors="replace").strip() for key, value in secret.items()},
            ca=connection.tls.ca if connection.tls is not None else b"",
            proxy=connection.proxy,
            timeout=spec.timeout.seconds,
        )
        try:
            return BucketReader(settings, self._max_size)
        except BadBucketError as error:
            if spec.secret_ref is not None:
                message = f"invalid '{spec.secret_ref.name}' secret data: {error}"
                raise Transient("AuthenticationFailed", message) from error
            raise Stalled("InvalidProviderConfiguration", f"failed to construct bucket client: {error}") from error


def _refuse_unsupported(bucket: Bucket) -> None:
    spec = bucket.spec
    asked = {"spec.sts": spec.sts is not None, "spec.serviceAccountName": bool(spec.service_account_name)}
    for name, given in asked.items():
        if given:
            raise Stalled("UnsupportedField", f"{name} is not supported: use spec.secretRef")


def _stored(listing: Listing) -> str:
    return f"stored artifact: revision '{listing.revision}'"
