"""
Helm's storage on the member: one Secret for each revision, in the storage namespace.

The payload is JSON, gzipped and base64-encoded by Helm and base64-encoded once more by Kubernetes. Decoding keeps the
order of keys and the text of numbers, because the digest in ``status.history`` is taken over JSON as Go writes it.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import zlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from hub.api.meta import SECRETS
from hub.content.values import values_digest
from hub.errors import ApiError, Conflict, Forbidden, NotFound, Transient, Unauthorized
from hub.members.records import Record
from hub.release import gojson, manifest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hub.kube.client import Client
    from hub.members.member import Member
    from hub.release.manifest import ObjectRef
    from hub.release.names import Target

T = TypeVar("T")

ATTEMPT_LABEL = "hubctl.io/attempt"
"""Release label that ties a stored revision to the desired state it was made for."""

OWNER_LABEL = "hubctl.io/owner"
"""Release label with the UID of the HelmRelease that a stored revision was made for."""

REVISION_LABEL = "hubctl.io/revision"
"""Release label with the number of the revision that the other two were written for. Helm hands the labels of a release
on to its next revision, whoever makes it: under another number they say nothing."""

UNLOCKED = "Release unlocked from stale '{}' state"
_WAYS_OUT = {
    Unauthorized: ": renew the token or the client certificate in its kubeconfig",
    Forbidden: ": give the user of its kubeconfig the rights that the release needs, Secrets included",
}
_GZIP = b"\x1f\x8b"
_CUT_SHORT = re.compile(r"^Release unlocked from stale|context canceled|signal: ")


class Observed:
    """
    What Flux takes the digest of a revision over: its own selection of fields, without test hooks.

    Kept as a hash that lacks its end, which names the chart's artifact in a registry: Helm does not store that.
    """

    def __init__(self, raw: dict[str, Any]) -> None:
        hooks = [hook for hook in raw.get("hooks") or [] if "test" not in (hook.get("events") or [])]
        observed = {
            "name": raw.get("name", ""),
            "version": raw.get("version", 0),
            "info": raw.get("info"),
            "chartMetadata": (raw.get("chart") or {}).get("metadata"),
            "config": raw.get("config") or None,
            "manifest": raw.get("manifest", ""),
            "hooks": hooks or None,
            "namespace": raw.get("namespace", ""),
        }
        self._hash = hashlib.sha256(gojson.dumps(observed).removesuffix("}").encode())

    def digest(self, oci_digest: str = "") -> str:
        """Return the digest; ``oci_digest`` is that of the chart's artifact in a registry, if it has one."""
        whole = self._hash.copy()
        whole.update((f',"ociDigest":{gojson.dumps(oci_digest)}' if oci_digest else "").encode() + b"}\n")
        return f"sha256:{whole.hexdigest()}"


@dataclass(frozen=True, slots=True)
class StoredRelease:
    """One revision as Helm stored it.

    Attributes:
        raw: The decoded payload, keys in Helm's order; after :meth:`slim` without its large parts.
        secret: Name of the storage Secret.
        resource_version: Version of that Secret when it was read.
        objects: Identities of the objects in the manifest; known after :meth:`slim`.
        observed: What the digest is over.
        superseded: The same, once a newer revision takes over; known after :meth:`slim`.
        attempt: Value of the attempt label; empty when somebody else made the revision.
        owner: Value of the owner label, likewise.
    """

    raw: dict[str, Any] = field(repr=False)
    secret: str
    resource_version: str
    attempt: str = ""
    owner: str = ""
    digest: str = ""
    config_digest: str = ""
    observed: Observed | None = field(default=None, repr=False, compare=False)
    superseded: Observed | None = field(default=None, repr=False, compare=False)
    objects: tuple[ObjectRef, ...] = ()

    @property
    def name(self) -> str:
        return str(self.raw.get("name", ""))

    @property
    def namespace(self) -> str:
        return str(self.raw.get("namespace", ""))

    @property
    def version(self) -> int:
        return int(self.raw.get("version", 0))

    @property
    def info(self) -> dict[str, Any]:
        return self.raw.get("info") or {}

    @property
    def status(self) -> str:
        return str(self.info.get("status", "unknown"))

    @property
    def description(self) -> str:
        return str(self.info.get("description", ""))

    @property
    def pending(self) -> bool:
        """Whether helm is at work on the revision, or died while it was."""
        return self.status.startswith("pending-")

    @property
    def settled(self) -> bool:
        """Whether helm came to a verdict of its own; a run that was cut short has none."""
        return self.status == "deployed" or (self.status == "failed" and not _CUT_SHORT.search(self.description))

    def is_rollback_to(self, version: int) -> bool:
        """Whether helm says that the revision is a finished rollback to a version."""
        return self.status == "deployed" and self.description == f"Rollback to {version}"

    def digest_with(self, oci_digest: str) -> str:
        """Return the digest of the revision when its chart is of this digest in a registry; empty is from elsewhere."""
        return self.observed.digest(oci_digest) if oci_digest and self.observed is not None else self.digest

    def digest_as(self, status: str, oci_digest: str = "") -> str:
        """Return the digest that the revision has once Helm gives it another status."""
        return self._as(status).digest(oci_digest)

    def _as(self, status: str) -> Observed:
        if status == "superseded" and self.superseded is not None:
            return self.superseded
        return Observed(self.raw | {"info": self.info | {"status": status}})

    def slim(self) -> StoredRelease:
        """Return what is worth keeping in memory for each release: all but templates, manifests and values."""
        hooks = [{key: value for key, value in hook.items() if key != "manifest"} for hook in self.hooks]
        raw = self.raw | {"chart": {"metadata": self.metadata}, "manifest": "", "config": None, "hooks": hooks}
        refs = tuple(manifest.ref(item) for item in manifest.objects(self.manifest))
        return replace(self, raw=raw, superseded=self._as("superseded"), objects=refs)

    @property
    def metadata(self) -> dict[str, Any]:
        return (self.raw.get("chart") or {}).get("metadata") or {}

    @property
    def chart_name(self) -> str:
        return str(self.metadata.get("name", ""))

    @property
    def chart_version(self) -> str:
        return str(self.metadata.get("version", ""))

    @property
    def app_version(self) -> str:
        return str(self.metadata.get("appVersion", ""))

    @property
    def manifest(self) -> str:
        return str(self.raw.get("manifest", ""))

    @property
    def hooks(self) -> list[dict[str, Any]]:
        return self.raw.get("hooks") or []

    @property
    def server_side(self) -> bool:
        """Whether helm applied this revision server-side; ``auto`` means to go on as before."""
        return self.raw.get("apply_method") == "ssa"

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}.v{self.version}"

    @property
    def chart(self) -> str:
        """``<chart>@<version>``, as messages name it."""
        return f"{self.chart_name}@{self.chart_version}"


Memory = dict[tuple[str, str, str], StoredRelease]
"""Newest revisions by member, storage namespace and name."""


class Storage:
    """
    Reads and, to unlock, writes the revisions of releases on one member.

    Args:
        member: Where.
        memory: What was decoded before, over all members; shared by those who read the same releases.
    """

    def __init__(self, member: Member, memory: Memory) -> None:
        self._member = member
        self._memory = memory

    async def latest(self, target: Target, *, watched: bool = False) -> StoredRelease | None:
        """
        Return the newest revision, or None when Helm has stored nothing.

        Costs one metadata-only list; the payload is read and decoded only when it changed since the last call. With
        ``watched``, not even that while a watch vouches for what is known: good enough unless we have just written.
        """
        remembered = self._memory.get(self._key(target)) if watched else None
        if remembered is not None and self._vouched_for(target, remembered):
            return remembered
        selector = f"owner=helm,name={target.name}"
        listed = await self._ask(
            lambda client: client.list(SECRETS, target.storage_namespace, labels=selector, metadata_only=True)
        )
        if not listed.items:
            self.forget(target)
            return None
        newest = max(listed.items, key=lambda item: int(item["metadata"]["labels"].get("version", 0)))["metadata"]
        self._member.records.note(
            target.storage_namespace, target.name, Record(newest["name"], newest["resourceVersion"])
        )
        known = self._memory.get(self._key(target))
        if known and (known.secret, known.resource_version) == (newest["name"], newest["resourceVersion"]):
            return known
        try:
            stored = decode(await self._get(newest["name"], target)).slim()
        except NotFound:  # deleted between the two calls
            return await self.latest(target)
        self._memory[self._key(target)] = stored
        return stored

    async def revision(self, target: Target, version: int) -> StoredRelease | None:
        """Return one revision, or None when it is gone."""
        try:
            return decode(await self._get(f"sh.helm.release.v1.{target.name}.v{version}", target))
        except NotFound:
            return None

    async def unlock(self, target: Target, stored: StoredRelease) -> StoredRelease:
        """
        Mark a pending revision as failed, so that Helm accepts the next action.

        Raises:
            Transient: Somebody wrote the revision in between, or the member refused.
        """
        return await self.fail(target, stored, UNLOCKED.format(stored.status))

    async def fail(self, target: Target, stored: StoredRelease, description: str) -> StoredRelease:
        """Mark a revision as failed, in Helm's own record. Raises as :meth:`unlock`."""
        secret = await self._get(stored.secret, target)
        current = decode(secret)
        if current.resource_version != stored.resource_version:
            raise Transient("PendingRelease", f"release {stored} changed while it was being marked as failed")
        current.raw["info"] |= {"status": "failed", "description": description}
        secret["metadata"]["labels"] |= {
            "status": "failed",
            "modifiedAt": str(int(datetime.now(tz=UTC).timestamp())),
        }
        secret["data"]["release"] = encode(current.raw)
        try:
            written = await self._ask(lambda client: client.replace(SECRETS, secret))
        except Conflict as error:
            message = f"release {stored} changed while it was being marked as failed"
            raise Transient("PendingRelease", message) from error
        self.forget(target)
        return decode(written)

    async def _get(self, name: str, target: Target) -> dict[str, Any]:
        return await self._ask(lambda client: client.get(SECRETS, name, target.storage_namespace))

    async def _ask(self, operation: Callable[[Client], Awaitable[T]]) -> T:
        """Call the member; what it refuses is told as Flux does, with the member's name and the way out."""
        try:
            return await self._member.call(operation)
        except (NotFound, Conflict):
            raise
        except ApiError as error:
            way_out = _WAYS_OUT.get(type(error), "")
            message = f"Could not determine release state: member '{self._member.name}': {error.message}{way_out}"
            raise Transient("StateError", message) from error

    def forget(self, target: Target) -> None:
        """Drop what is known of a release: it is about to be written, or it was."""
        self._memory.pop(self._key(target), None)
        self._member.records.forget(target.storage_namespace, target.name)

    def _vouched_for(self, target: Target, known: StoredRelease) -> bool:
        record = Record(known.secret, known.resource_version)
        return self._member.records.is_newest(target.storage_namespace, target.name, record)

    def _key(self, target: Target) -> tuple[str, str, str]:
        return self._member.name, target.storage_namespace, target.name


def decode(secret: dict[str, Any]) -> StoredRelease:
    """
    Decode one storage Secret.

    Raises:
        Transient: The payload is not what Helm writes (reason ``StateError``).
    """
    meta = secret["metadata"]
    try:
        packed = base64.b64decode(base64.b64decode(secret["data"]["release"]))
        # Helm reads payloads from before it compressed them, so we do too.
        raw = gojson.loads(gzip.decompress(packed) if packed.startswith(_GZIP) else packed)
    except (KeyError, ValueError, OSError, EOFError, zlib.error) as error:
        message = (
            f"Could not determine release state: Secret '{meta['namespace']}/{meta['name']}' is not readable: {error}"
        )
        raise Transient("StateError", message) from error
    labels = meta.get("labels") or {}
    if labels.get(REVISION_LABEL) != str(raw.get("version")):
        labels = {}
    observed = Observed(raw)
    return StoredRelease(
        raw=raw,
        secret=meta["name"],
        resource_version=meta["resourceVersion"],
        attempt=labels.get(ATTEMPT_LABEL, ""),
        owner=labels.get(OWNER_LABEL, ""),
        digest=observed.digest(),
        observed=observed,
        config_digest=values_digest(raw.get("config")),
    )


def encode(raw: dict[str, Any]) -> str:
    """Return the ``release`` field of a storage Secret for a payload."""
    packed = gzip.compress(gojson.dumps(raw).encode(), mtime=0)
    return base64.b64encode(base64.b64encode(packed)).decode()
