"""
The chain that a release hangs on: source, chart, dependencies, values, member, release, objects, Pods.

Each link is looked at in the order in which the hub needs it. What is wrong ends the walk: later links cannot be better
than the first broken one, and people can repair one thing at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from hub.api.kind import Key
from hub.api.meta import CONFIG_MAPS, READY, SECRETS
from hub.cli.inventories import entries
from hub.cli.relations import chart_key, source_key
from hub.errors import HubError, NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hub.api.helm import HelmRelease
    from hub.cli.inventories import Entry
    from hub.cli.scope import Cluster
    from hub.kube.client import Client
    from hub.kube.mapper import Mapper
    from hub.members.member import Member
    from hub.members.pool import Pool

Verdict = Literal["good", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One link: its name, how it is, in words, and what to do about it when it is not good."""

    step: str
    verdict: Verdict
    text: str
    way_out: str = ""


class Chain:
    """
    Walks along one release.

    Args:
        cluster: The hub's.
        pool: Gives its member.
        release: The release.
    """

    def __init__(self, cluster: Cluster, pool: Pool, release: HelmRelease) -> None:
        self._client = cluster.client
        self._pool = pool
        self._release = release
        self._raw = release.dump()
        self._namespace = release.metadata.namespace
        self._name = release.metadata.name
        self._member: Member | None = None

    async def follow(self) -> AsyncIterator[Finding]:
        """Yield what is found, up to the first thing that is wrong."""
        links = (
            self._object, self._source, self._chart, self._dependencies, self._values, self._reach, self._revision,
            self._objects, self._pods,
        )  # fmt: skip
        for link in links:
            async for finding in link():
                yield finding
                if finding.verdict == "bad":
                    return

    async def _object(self) -> AsyncIterator[Finding]:
        release = self._release
        if release.deleted:
            text = f"HelmRelease {self._where} is being deleted since {release.metadata.deletion_timestamp}"
            yield Finding("object", "bad", text, f"kept by {', '.join(release.metadata.finalizers)} until it is undone")
        elif release.spec.suspend:
            text = f"HelmRelease {self._where} is suspended: the hub leaves it alone"
            yield Finding("object", "bad", text, f"hubctl resume hr {self._name} -n {self._namespace}")
        elif release.status.observed_generation < 0 or release.status.condition(READY) is None:
            text = f"no hub has looked at HelmRelease {self._where} yet"
            yield Finding("object", "bad", text, "does a hub run, and does it watch this namespace?")
        elif release.status.observed_generation < release.metadata.generation:
            yield Finding(
                "object", "note", f"HelmRelease {self._where} was changed; the hub has not finished with it yet"
            )

    async def _source(self) -> AsyncIterator[Finding]:
        key = source_key(self._raw)
        if key is not None:
            yield await self._link("source", key)

    async def _chart(self) -> AsyncIterator[Finding]:
        key = chart_key(self._raw)
        if key is not None:
            yield await self._link("chart", key)

    async def _link(self, step: str, key: Key) -> Finding:
        """Return how an object is that the release is made from."""
        from hub.api.registry import KINDS
        from hub.cli.rows import ready, revision

        kind = next((one for one in KINDS if one.name == key.kind), None)
        if kind is None:
            return Finding(step, "note", f"{key} is of a kind that this hubctl does not know")
        try:
            raw = await self._client.get(kind.api, key.name, key.namespace)
        except NotFound:
            return Finding(
                step, "bad", f"{key} does not exist", f"create it, or name another in HelmRelease {self._where}"
            )
        resource = kind.model.parse(raw)
        status, message = ready(kind, raw)
        command = f"{kind.names[0]} {key.name} -n {key.namespace}"
        if resource.spec.suspend:
            return Finding(step, "note", f"{key} is suspended, {revision(resource) or 'nothing'} stays what it is")
        if status != "True":
            return Finding(step, "bad", f"{key}: {message}", f"once that is repaired: hubctl reconcile {command}")
        return Finding(step, "good", f"{key}  {revision(resource)}")

    async def _dependencies(self) -> AsyncIterator[Finding]:
        for one in self._release.spec.depends_on:
            key = Key("HelmRelease", one.namespace or self._namespace, one.name)
            finding = await self._link("depends on", key)
            if finding.verdict == "bad":
                way_out = f"hubctl why hr {key.name} -n {key.namespace}"
                yield Finding("depends on", "bad", finding.text, way_out)
            else:
                yield finding

    async def _values(self) -> AsyncIterator[Finding]:
        references = self._release.spec.values_from
        for one in references:
            api = SECRETS if one.kind == "Secret" else CONFIG_MAPS
            what, key = f"{one.kind}/{self._namespace}/{one.name}", one.values_key or "values.yaml"
            try:
                data = (await self._client.get(api, one.name, self._namespace)).get("data") or {}
            except NotFound:
                data = None
            if not one.optional and data is None:
                yield Finding("values", "bad", f"{what} does not exist", "create it, or mark the reference 'optional'")
            elif not one.optional and key not in (data or {}):
                keys = ", ".join(sorted(data or {})) or "none"
                yield Finding("values", "bad", f"{what} has no key '{key}'", f"its keys: {keys}; valuesKey names one")
        ready = self._release.status.condition(READY)
        if ready is not None and ready.status == "False" and ready.reason == "ValuesError":
            yield Finding("values", "bad", ready.message, f"hubctl values explain hr/{self._name}")
            return
        inline = len(self._release.spec.values or {})
        counted = [(len(references), "reference"), (inline, "inline key")]
        told = [f"{count} {what}{'' if count == 1 else 's'}" for count, what in counted if count]
        text = ", ".join(told) or "the chart's own"
        yield Finding("values", "good", text)

    async def _reach(self) -> AsyncIterator[Finding]:
        from hub.cli.releases import member_name, member_of

        name = member_name(self._release)
        try:
            self._member = await member_of(self._pool, self._release)
            await self._member.call(lambda client: client.probe("/readyz"))
        except HubError as error:
            yield Finding("member", "bad", f"{name}: {error.message}", self._credentials())
            return
        yield Finding("member", "good", f"{name}  {self._member.client.address}")

    def _credentials(self) -> str:
        kube = self._release.spec.kube_config
        ref = kube.secret_ref if kube else None
        if ref is None:
            return "is the cluster up, and reachable from here?"
        return f"is the cluster up, and is the kubeconfig in Secret {self._namespace}/{ref.name} still good?"

    async def _revision(self) -> AsyncIterator[Finding]:
        """What the hub says of the release itself, once everything that it needs is there."""
        status, ready = self._release.status, self._release.status.condition(READY)
        if ready is not None and ready.status == "False":
            yield Finding("release", "bad", f"{ready.reason}: {ready.message}", await self._how_to_repair())
        elif ready is not None and ready.status != "True":
            yield Finding("release", "note", f"under way: {ready.message}")
        elif status.history:
            latest = status.history[0]
            revision = f"{latest.namespace}/{latest.name}.v{latest.version}"
            chart = f"{latest.chart_name}@{latest.chart_version}"
            yield Finding("release", "good", f"{revision}  {chart} {latest.status}")

    async def _how_to_repair(self) -> str:
        pods = await self._diagnosis()
        release, ways = f"hr {self._name} -n {self._namespace}", []
        stalled = self._release.status.condition("Stalled")
        if stalled is not None and stalled.status == "True":
            ways.append(
                f"the hub has given up ({stalled.message}): push a change, or hubctl reconcile {release} --force"
            )
        else:
            ways.append(f"the hub tries again by itself; at once: hubctl reconcile {release}")
        if len(self._release.status.history) > 1:
            ways.append(f"back to what worked: hubctl rollback {release}")
        return "; ".join([*([f"on the member now: {pods}"] if pods else []), *ways])

    async def _objects(self) -> AsyncIterator[Finding]:
        found = entries(self._raw)
        if self._member is None or not found:
            return
        mapper = self._member.mapper
        missing = [entry for entry in found if not await self._is_there(entry, mapper)]
        if missing:
            names = ", ".join(str(entry) for entry in missing[:3]) + (", ..." if len(missing) > 3 else "")
            release = f"hr {self._name} -n {self._namespace}"
            text = f"{len(missing)} of {len(found)} objects are gone from the member: {names}"
            yield Finding("objects", "bad", text, f"make them anew: hubctl reconcile {release} --force")
        else:
            yield Finding("objects", "good", f"{len(found)} of {len(found)} are there")

    async def _is_there(self, entry: Entry, mapper: Mapper) -> bool:
        if self._member is None:
            return True
        try:
            api = await mapper.api(entry.api_version, entry.kind)
            await self._member.call(partial(_metadata, api=api, entry=entry))
        except NotFound:
            return False
        return True

    async def _pods(self) -> AsyncIterator[Finding]:
        if self._member is None or not entries(self._raw):
            return
        complaint = await self._diagnosis()
        if complaint:
            yield Finding(
                "pods", "bad", complaint, "look at the Pod on the member; a new image or config needs a change"
            )
        else:
            yield Finding("pods", "good", "every workload is ready")

    async def _diagnosis(self) -> str:
        """Return what the first workload that is not ready says; empty when all are, or nobody can be asked."""
        from hub.cli.releases import where
        from hub.release.diagnose import diagnose
        from hub.release.storage import Storage

        if self._member is None:
            return ""
        # The inventory is that of the last success; Helm's record is what was tried last.
        target = where(self._release)
        stored = await Storage(self._member, {}).latest(target)
        if stored is None:
            return ""
        return await diagnose(stored.objects, target.namespace, self._member, self._member.mapper)

    @property
    def _where(self) -> str:
        return f"{self._namespace}/{self._name}"


async def _metadata(client: Client, *, api: Any, entry: Entry) -> dict[str, Any]:
    return await client.get(api, entry.name, entry.namespace or None, metadata_only=True)
