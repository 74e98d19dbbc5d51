"""
Members by the way a release names them: a kubeconfig Secret, or a ConfigMap that names a cluster, and, perhaps, a
service account to act as.

A member is made once and stays while the content of its kubeconfig stays the same; a Secret that was rotated gives it
another client at the next call, without a restart. Messages are Flux's, word for word.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from hub.content.cloud.clouds import Clouds
from hub.content.cloud.identity import NoToken
from hub.content.shared import Shared
from hub.errors import HubError, Transient
from hub.kube.client import Client
from hub.kube.config import BadKubeconfig, parse_kubeconfig
from hub.members import metrics
from hub.members.clusters import NamedClusters
from hub.members.health import Health, Vitals
from hub.members.inventory import USUAL_KEYS
from hub.members.member import Member
from hub.members.records import Records
from hub.members.slots import Limits, Slots
from hub.members.throttle import DEFAULT_RATE
from hub.runtime.workloads import Workloads

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from hub.api.meta import KubeConfig
    from hub.kube.config import ClusterConfig
    from hub.runtime.secrets import Data, SecretReader
    from hub.settings import RunSettings, SecuritySettings

_log = logging.getLogger(__name__)

HUB: Final = "hub"
REASON: Final = "RESTClientError"
RATE: Final = "hubctl.io/requests-per-second"
"""Annotation of a kubeconfig Secret: how many requests its member gets at most, from all runs together."""

_RETIREMENT: Final = 900.0  # seconds that an old client stays open: longer than what may still be using it
_ENOUGH: Final = 5.0  # seconds for which a kubeconfig that was just read again counts as new


class Change(StrEnum):
    """What happens to a member: it does not answer, it does again, its records are watched or cannot be any more."""

    LOST = "lost"
    BACK = "back"
    WATCHED = "watched"


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a kubeconfig is, and who we are to be with it; the identity of a member."""

    namespace: str = ""
    secret: str = ""
    key: str = ""
    user: str = ""
    config_map: str = ""

    @property
    def name(self) -> str:
        if not self.reference:
            return HUB
        key = f":{self.key}" if self.key and self.key not in USUAL_KEYS else ""
        return f"{self.namespace}/{self.reference}{key}"

    @property
    def reference(self) -> str:
        """As :attr:`hub.api.meta.KubeConfig.member` has it; empty for the hub's own cluster."""
        return f"{self.config_map} (ConfigMap)" if self.config_map else self.secret

    @property
    def where(self) -> str:
        """As messages name it."""
        kind = "configmap" if self.config_map else "secret"
        return f"KubeConfig {kind} '{self.namespace}/{self.config_map or self.secret}'"

    @property
    def itself(self) -> _Source:
        """The same without acting as anybody else."""
        return replace(self, user="")


@dataclass(slots=True)
class _Entry:
    member: Member
    data: Data | None
    read_at: float = 0.0
    renewing: asyncio.Lock = field(default_factory=asyncio.Lock)


class Pool:
    """
    All members that were asked for.

    Args:
        hub: Client of the hub's own cluster, which is a member too; it is not closed here.
        secrets: Where kubeconfigs are read.
        security: What they may ask of this process.
        run: How much may happen at once.
        default_service_account: Who to act as on a member for objects that name nobody.
        rate: Requests per second that one member gets from all runs together.
        clouds: Whose clusters ConfigMaps may name.
    """

    def __init__(
        self,
        hub: Client,
        secrets: SecretReader,
        security: SecuritySettings,
        run: RunSettings,
        *,
        default_service_account: str = "",
        rate: int = DEFAULT_RATE,
        clouds: Clouds | None = None,
    ) -> None:
        self._hub = hub
        self._clusters = NamedClusters(
            Workloads(hub),
            clouds or Clouds(),
            default_service_account=default_service_account,
            allow_insecure_tls=security.insecure_kubeconfig_tls,
        )
        self._default_service_account = default_service_account
        self._secrets = secrets
        self._security = security
        self._rate = rate
        self.slots = Slots(Limits(run.concurrency, run.concurrency_per_member, run.concurrency_waiting))
        self._naming: Shared[ClusterConfig] = Shared()
        self._entries: dict[_Source, _Entry] = {}
        self._health: dict[str, Health] = {}
        self._records: dict[str, Records] = {}
        self._retired: dict[Client, asyncio.TimerHandle] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._subscribers: list[Callable[[str, str, Change], None]] = []
        self._readers: list[Callable[[str, str, str, str], None]] = []

    def subscribe(self, subscriber: Callable[[str, str, Change], None]) -> None:
        """
        Have ``subscriber(namespace, secret, change)`` called when something happens to a member.

        Namespace and Secret are empty for the hub's own cluster; a ConfigMap is called as in ``KubeConfig.member``.
        """
        self._subscribers.append(subscriber)

    def subscribe_to_records(self, reader: Callable[[str, str, str, str], None]) -> None:
        """
        Have ``reader(namespace, secret, storage namespace, release)`` called when somebody else changed Helm's records.

        Namespace and Secret are those of the member, as for :meth:`subscribe`.
        """
        self._readers.append(reader)

    async def get(self, namespace: str, kube_config: KubeConfig | None, service_account: str | None) -> Member:
        """
        Return the member that an object of ``namespace`` means, to do something there.

        Raises:
            Transient: Its kubeconfig cannot be had or used (reason ``RESTClientError``).
            MemberUnreachable: It is lost, and was when it was last tried.
        """
        member = await self.find(namespace, kube_config, service_account)
        await member.ensure_reachable()
        member.records.start()
        return member

    async def find(self, namespace: str, kube_config: KubeConfig | None, service_account: str | None = None) -> Member:
        """Return the same, be it lost or not; nothing is asked of it. Raises as :meth:`get`."""
        service_account = service_account or self._default_service_account
        user = f"system:serviceaccount:{namespace}:{service_account}" if service_account else ""
        if kube_config is None:
            return self._own(_Source(user=user)).member
        if (ref := kube_config.secret_ref) is not None:
            source = _Source(namespace, ref.name, ref.key, user)
        elif kube_config.config_map_ref is not None:
            source = _Source(namespace, user=user, config_map=kube_config.config_map_ref.name)
        else:
            raise Transient(REASON, "spec.kubeConfig names neither a Secret nor a ConfigMap")
        return (await self._remote(source, await self._read(source))).member

    def drop(self, namespace: str, secret: str) -> None:
        """Let go of the members of a Secret that nobody uses any more; whoever asks for one later gets a new one."""
        for source in [one for one in self._entries if (one.namespace, one.reference) == (namespace, secret)]:
            self._retire(self._entries.pop(source).member.client)
            if (records := self._records.pop(source.name, None)) is not None:
                records.stop()
            if (health := self._health.pop(source.name, None)) is not None:
                self._close(health.aclose())
            self.slots.readmit(source.name)
            metrics.forget(source.name)

    async def aclose(self) -> None:
        """Close every client that was made here."""
        for records in self._records.values():
            await records.aclose()
        for health in self._health.values():
            await health.aclose()
        clients = [entry.member.client for source, entry in self._entries.items() if source != _Source()]
        for handle in self._retired.values():
            handle.cancel()
        for client in (*clients, *self._retired):
            await client.aclose()
        self._entries.clear()
        self._retired.clear()
        await asyncio.gather(*self._closing)

    def _own(self, source: _Source) -> _Entry:
        entry = self._entries.get(source)
        if entry is None:
            if source.user:
                self._own(source.itself)  # the one that watches
            client = Client(self._hub.config, name=HUB, impersonate=source.user) if source.user else self._hub
            entry = self._entries[source] = _Entry(self._member(source, client, HUB), None)
        return entry

    async def _remote(self, source: _Source, data: Data, *, renew: bool = False) -> _Entry:
        """Return the member of a kubeconfig as it is now; what is unchanged is not even parsed again, but to renew."""
        entry = self._entries.get(source)
        if entry is not None and not renew and _is_same(entry.data, data):
            return entry
        config, rate = await self._config(source, data), self._rate_of(source, data)
        if source.user:
            self._keep(source.itself, data, config, rate)  # the one that watches
        return self._keep(source, data, config, rate)

    def _keep(self, source: _Source, data: Data, config: ClusterConfig, rate: int) -> _Entry:
        entry = self._entries.get(source)
        if entry is None:
            member = self._member(source, self._client(source, config), config.digest)
            entry = self._entries[source] = _Entry(member, data)
        elif entry.member.digest != config.digest:
            self._retire(entry.member.replace_client(self._client(source, config), config.digest))
            if not source.user:
                self._records[source.name].restart()
        entry.data = data
        entry.member.throttle.rate = rate
        return entry

    def _member(self, source: _Source, client: Client, digest: str) -> Member:
        health = self._health.get(source.name)
        if health is None:
            health = self._health[source.name] = Health(source.name, self._rate, partial(self._changed, source))
            self._records[source.name] = self._watch(source.itself)
            metrics.UP.labels(source.name).set(1)
        return Member(
            source.name, client, digest, health=health, slots=self.slots, records=self._records[source.name],
            renew=partial(self._renew, source),
        )  # fmt: skip

    def _watch(self, source: _Source) -> Records:
        """Follow what Helm keeps on a member, as the user of its kubeconfig."""

        async def renew(refused: Client) -> bool:
            return await self._entries[source].member.renew(refused)

        def changed(namespace: str, release: str) -> None:
            for reader in self._readers:
                reader(source.namespace, source.reference, namespace, release)

        covered = partial(self._tell, source, Change.WATCHED)
        return Records(lambda: self._entries[source].member.client, renew, changed, covered)

    def _changed(self, source: _Source, before: Vitals, health: Health) -> None:
        """Keep those who want to run there in step with how the member is."""
        if health.state is Vitals.WELL:
            self.slots.readmit(source.name)
        else:
            self.slots.suspend(source.name)
        if health.state is Vitals.LOST:
            _log.warning("Member is lost", extra={"member": source.name, "why": health.breaker.cause})
            self.slots.turn_away(source.name, health.breaker.error)
            self._records[source.name].stop()
        elif before is Vitals.LOST:
            _log.info("Member answers again", extra={"member": source.name})
            self._records[source.name].start()
        else:
            return
        is_back = health.state is Vitals.WELL
        metrics.UP.labels(source.name).set(is_back)
        self._tell(source, Change.BACK if is_back else Change.LOST)

    def _tell(self, source: _Source, change: Change) -> None:
        for subscriber in self._subscribers:
            subscriber(source.namespace, source.reference, change)

    @staticmethod
    def _client(source: _Source, config: ClusterConfig) -> Client:
        return Client(config, name=source.name, impersonate=source.user or None)

    async def _read(self, source: _Source, *, fresh: bool = False) -> Data:
        try:
            if source.config_map:
                return await self._secrets.config_map(source.namespace, source.config_map)
            return await (self._secrets.fresh if fresh else self._secrets.get)(source.namespace, source.secret)
        except HubError as error:
            raise Transient(REASON, f"could not get {source.where}: {error.message}") from error

    async def _config(self, source: _Source, data: Data) -> ClusterConfig:
        if not source.config_map:
            return self._parse(source, data)
        try:
            key = (source.namespace, source.config_map, data.resource_version)
            return await self._naming.run(key, lambda: self._clusters.config(source.namespace, data.data))
        except (NoToken, BadKubeconfig) as error:
            raise Transient(REASON, f"{source.where} cannot be used: {error}") from error

    def _parse(self, source: _Source, data: Data) -> ClusterConfig:
        text = next(
            (data.data[key] for key in ([source.key] if source.key else USUAL_KEYS) if data.data.get(key)), None
        )
        if text is None:
            wanted = f"'{source.key}'" if source.key else " or ".join(f"'{key}'" for key in USUAL_KEYS)
            raise Transient(REASON, f"{source.where} does not contain a {wanted} key with data")
        try:
            return parse_kubeconfig(
                text,
                allow_exec=self._security.insecure_kubeconfig_exec,
                allow_insecure_tls=self._security.insecure_kubeconfig_tls,
            )
        except BadKubeconfig as error:
            raise Transient(REASON, f"{source.where} cannot be used: {error}") from error

    def _rate_of(self, source: _Source, data: Data) -> int:
        text = data.annotations.get(RATE)
        if text is None:
            return self._rate
        if not text.isascii() or not text.isdecimal() or not int(text):
            raise Transient(
                REASON, f"{source.where} cannot be used: annotation {RATE} is '{text}', not a number from 1 on"
            )
        return int(text)

    async def _renew(self, source: _Source, member: Member) -> bool:
        """Read a kubeconfig again whose credentials were refused; True when there are others now."""
        entry, refused = self._entries.get(source), member.digest
        if not source.reference or entry is None:
            return False
        now = asyncio.get_running_loop().time
        async with entry.renewing:  # many requests are refused at once: one of them reads
            if entry.member.digest == refused and (not entry.read_at or now() - entry.read_at > _ENOUGH):
                entry.read_at = now()
                try:
                    await self._remote(source, await self._read(source, fresh=True), renew=True)
                except Transient:
                    return False  # the next reconcile says what is wrong with it
        return entry.member.digest != refused

    def _retire(self, client: Client) -> None:
        """Close a client once nobody can be using it any more."""

        def close() -> None:
            del self._retired[client]
            self._close(client.aclose())

        self._retired[client] = asyncio.get_running_loop().call_later(_RETIREMENT, close)

    def _close(self, closing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(closing)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _is_same(held: Data | None, data: Data) -> bool:
    return held is data or (held is not None and held.resource_version == data.resource_version)
