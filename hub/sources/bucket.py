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
from hub.content.cloud.buckets import BucketAccess, Service, renewal
from hub.content.cloud.identity import NoToken
from hub.errors import Stalled, Transient
from hub.runtime.origins import keep_to_ourselves, refused
from hub.sources.source import STORED, FetchingReconciler, News

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.content.bucket import Listing
    from hub.content.cloud.buckets import Renew
    from hub.runtime.steps import Attempt


class BucketReconciler(FetchingReconciler[Bucket]):
    """Keeps an artifact of the objects of each Bucket."""

    async def steps(self, attempt: Attempt[Bucket]) -> float:
        """Bring the artifact to what is in the bucket; return the interval in seconds. Raises ``HubError``."""
        spec, status = attempt.resource.spec, attempt.resource.status
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
            secret = await self.origins.secret(namespace, spec.secret_ref.name)
        connection = await self.origins.connection(namespace, spec.cert_secret_ref, spec.proxy_secret_ref)
        if connection.tls is not None and connection.tls.certificate and spec.cert_secret_ref is not None:
            raise refused(
                namespace, spec.cert_secret_ref.name, "has a client certificate, which buckets do not support"
            )
        texts = {key: value.decode(errors="replace").strip() for key, value in secret.items()}
        access = BucketAccess(
            provider=spec.provider,
            region=spec.region,
            credentials=texts,
            workload=await self.origins.workload(namespace, spec.service_account_name),
            proxy=connection.proxy.url if connection.proxy is not None else "",
            service=await self._service(bucket),
            endpoint=spec.endpoint,
        )
        if access.is_own and spec.provider != "aws":  # which signs, and sends nothing that others could use
            keep_to_ourselves(insecure=spec.insecure, certificate=spec.cert_secret_ref, proxy=spec.proxy_secret_ref)
        renew = renewal(self.origins.clouds, access)
        await _check(renew, bucket)
        settings = BucketSettings(
            provider=spec.provider,
            name=spec.bucket_name,
            endpoint=spec.endpoint,
            region=spec.region,
            insecure=spec.insecure,
            credentials=texts,
            renew=renew,
            ca=connection.tls.ca if connection.tls is not None else b"",
            proxy=connection.proxy,
            timeout=spec.timeout.seconds,
        )
        try:
            return BucketReader(settings, self.max_size)
        except BadBucketError as error:
            if spec.secret_ref is not None:
                message = f"invalid '{spec.secret_ref.name}' secret data: {error}"
                raise Transient("AuthenticationFailed", message) from error
            raise Stalled("InvalidProviderConfiguration", f"failed to construct bucket client: {error}") from error

    async def _service(self, bucket: Bucket) -> Service | None:
        """Return who gives keys for the bucket, as ``spec.sts`` says. Raises ``Transient``."""
        sts, namespace = bucket.spec.sts, bucket.metadata.namespace
        if sts is None:
            return None
        if sts.provider == "aws":
            return Service(sts.endpoint)
        if sts.secret_ref is None:
            raise Stalled("InvalidSTSConfiguration", "spec.sts.provider 'ldap' needs spec.sts.secretRef")
        login = await self.origins.login(namespace, sts.secret_ref.name)
        if login is None:
            raise refused(namespace, sts.secret_ref.name, "must have 'username' and 'password'")
        tls = await self.origins.tls(namespace, sts.cert_secret_ref) if sts.cert_secret_ref is not None else None
        if tls is not None and tls.certificate and sts.cert_secret_ref is not None:
            raise refused(namespace, sts.cert_secret_ref.name, "has a client certificate, which is not supported here")
        return Service(sts.endpoint, *login, ca=tls.ca.decode("ascii") if tls is not None else "")


async def _check(renew: Renew | None, bucket: Bucket) -> None:
    """Say why there are no credentials, before the store does; those that come are held. Raises ``Transient``."""
    if renew is None:
        return
    try:
        await renew()
    except NoToken as error:
        ref, namespace = bucket.spec.secret_ref, bucket.metadata.namespace
        whose = f" (with secret '{namespace}/{ref.name}')" if ref is not None else ""
        raise Transient(error.reason, f"{error.message}{whose}") from error


def _stored(listing: Listing) -> str:
    return f"stored artifact: revision '{listing.revision}'"
