"""
Members by the way a release names them: a kubeconfig Secret and, perhaps, a service account to act as.

A member is made once and stays while the content of its kubeconfig stays the same; a Secret that was rotated gives it
another client at the next call, without a restart. Messages are Flux's, word for word.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from hub.errors import HubError, Stalled, Transient
from hub.kube.client import Client
from hub.kube.config import BadKubeconfig, parse_kubeconfig
from hub.members.health import Health, Vitals
from hub.members.member import Member
from hub.members.slots import Limits, Slots
from hub.members.throttle import DEFAULT_RATE

if TYPE_CHECKING:
    from collections.abc import Callable

    from hub.api.meta import KubeConfig
    from hub.kube.config import ClusterConfig
    from hub.runtime.secrets import Data, SecretReader
    from hub.settings import RunSettings, SecuritySettings

_log = logging.getLogger(__name__)

HUB: Final = "hub"
REASON: Final = "RESTClientError"

_KEYS: Final = ("value", "value.yaml")
_RETIREMENT: Final = 900.0  # seconds that an old client stays open: longer than what may still be using it
_ENOUGH: Final = 5.0  # seconds for which a kubeconfig that was just read again counts as new


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a kubeconfig is, and who we are to be with it; the identity of a member."""

    namespace: str = ""
    secret: str = ""
    key: str = ""
    user: str = ""

    @property
    def name(self) -> str:
        if not self.secret:
            return HUB
        key = f":{self.key}" if self.key and self.key not in _KEYS else ""
        return f"{self.namespace}/{self.secret}{key}"


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
    ) -> None:
        self._hub = hub
        self._default_service_account = default_service_account
        self._secrets = secrets
        self._security = security
        self._rate = rate
        self.slots = Slots(Limits(run.concurrency, run.concurrency_per_member))
        self._entries: dict[_Source, _Entry] = {}
        self._health: dict[str, Health] = {}
        self._retired: dict[Client, asyncio.TimerHandle] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._subscribers: list[Callable[[str, str], None]] = []

    def subscribe(self, subscriber: Callable[[str, str], None]) -> None:
        """
        Have ``subscriber(namespace, secret)`` called when a member that was lost answers again.

        Both are empty for the hub's own cluster.
        """
        self._subscribers.append(subscriber)

    async def get(self, namespace: str, kube_config: KubeConfig | None, service_account: str | None) -> Member:
        """
        Return the member that an object of ``namespace`` means.

        Raises:
            Transient: Its kubeconfig cannot be had or used (reason ``RESTClientError``).
            Stalled: It is named in a way that is not supported.
            MemberUnreachable: It is lost, and was when it was last tried.
        """
        service_account = service_account or self._default_service_account
        user = f"system:serviceaccount:{namespace}:{service_account}" if service_account else ""
        if kube_config is None:
            entry = self._own(_Source(user=user))
        elif kube_config.secret_ref is None:
            raise Stalled(REASON, "spec.kubeConfig.configMapRef is not supported; name a kubeconfig with secretRef")
        else:
            ref = kube_config.secret_ref
            source = _Source(namespace, ref.name, ref.key, user)
            entry = self._remote(source, await self._read(source))
        await entry.member.ensure_reachable()
        return entry.member

    async def aclose(self) -> None:
        """Close every client that was made here."""
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
            client = Client(self._hub.config, name=HUB, impersonate=source.user) if source.user else self._hub
            entry = self._entries[source] = _Entry(self._member(source, client, HUB), None)
        return entry

    def _remote(self, source: _Source, data: Data) -> _Entry:
        """Return the member of a kubeconfig as it is now; an unchanged Secret is not even parsed again."""
        entry = self._entries.get(source)
        if entry is not None and entry.data is data:
            return entry
        config = self._parse(source, data)
        if entry is None:
            member = self._member(source, self._client(source, config), config.digest)
            entry = self._entries[source] = _Entry(member, data)
        elif entry.member.digest != config.digest:
            self._retire(entry.member.replace_client(self._client(source, config), config.digest))
        entry.data = data
        return entry

    def _member(self, source: _Source, client: Client, digest: str) -> Member:
        health = self._health.get(source.name)
        if health is None:
            health = self._health[source.name] = Health(source.name, self._rate, partial(self._changed, source))
        return Member(source.name, client, digest, health=health, slots=self.slots, renew=partial(self._renew, source))

    def _changed(self, source: _Source, before: Vitals, health: Health) -> None:
        """Keep those who want to run there in step with how the member is."""
        if health.state is Vitals.WELL:
            self.slots.readmit(source.name)
        else:
            self.slots.suspend(source.name)
        if health.state is Vitals.LOST:
            _log.warning("Member is lost", extra={"member": source.name, "why": health.breaker.cause})
            self.slots.turn_away(source.name, health.breaker.error)
        elif before is Vitals.LOST:
            _log.info("Member answers again", extra={"member": source.name})
            for subscriber in self._subscribers:
                subscriber(source.namespace, source.secret)

    @staticmethod
    def _client(source: _Source, config: ClusterConfig) -> Client:
        return Client(config, name=source.name, impersonate=source.user or None)

    async def _read(self, source: _Source, *, fresh: bool = False) -> Data:
        read = self._secrets.fresh if fresh else self._secrets.get
        try:
            return await read(source.namespace, source.secret)
        except HubError as error:
            where = f"{source.namespace}/{source.secret}"
            raise Transient(REASON, f"could not get KubeConfig secret '{where}': {error.message}") from error

    def _parse(self, source: _Source, data: Data) -> ClusterConfig:
        where = f"KubeConfig secret '{source.namespace}/{source.secret}'"
        text = next((data.data[key] for key in ([source.key] if source.key else _KEYS) if data.data.get(key)), None)
        if text is None:
            wanted = f"'{source.key}'" if source.key else " or ".join(f"'{key}'" for key in _KEYS)
            raise Transient(REASON, f"{where} does not contain a {wanted} key with data")
        try:
            return parse_kubeconfig(
                text,
                allow_exec=self._security.insecure_kubeconfig_exec,
                allow_insecure_tls=self._security.insecure_kubeconfig_tls,
            )
        except BadKubeconfig as error:
            raise Transient(REASON, f"{where} cannot be used: {error}") from error

    async def _renew(self, source: _Source, member: Member) -> bool:
        """Read a kubeconfig again whose credentials were refused; True when there are others now."""
        entry, refused = self._entries[source], member.digest
        if not source.secret:
            return False
        now = asyncio.get_running_loop().time
        async with entry.renewing:  # many requests are refused at once: one of them reads
            if entry.member.digest == refused and (not entry.read_at or now() - entry.read_at > _ENOUGH):
                entry.read_at = now()
                try:
                    self._remote(source, await self._read(source, fresh=True))
                except Transient:
                    return False  # the next reconcile says what is wrong with it
        return entry.member.digest != refused

    def _retire(self, client: Client) -> None:
        """Close a client once nobody can be using it any more."""

        def close() -> None:
            del self._retired[client]
            task = asyncio.get_running_loop().create_task(client.aclose())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

        self._retired[client] = asyncio.get_running_loop().call_later(_RETIREMENT, close)
