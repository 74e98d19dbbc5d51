"""
Watching our kinds with kopf. The only module that imports kopf.

kopf keeps the watches open, bridges their ends and bounds the pressure; it decides nothing here: no handlers but
``on.event``, no state kept on objects, no finalizers, no peering, no events, no signal handlers. What it does not tell
(objects deleted while the connection was lost) the :class:`.Roster` finds out after every new list.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp

from hub.errors import HubError, NotFound, Stalled
from hub.kube.client import USER_AGENT, Client, Unreachable
from hub.kube.library import absent
from hub.kube.roster import Roster

with absent():  # else kopf imports its models, to recognise them in what nobody gives it here
    import kopf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from hub.api.meta import Kind
    from hub.kube.config import ClusterConfig

    OnEvent = Callable[[Kind, str, dict[str, Any]], None]

_log = logging.getLogger(__name__)

_IDENTITY: Any = "hub"  # given, so that kopf does not ask the name service who we are
_SETTLE = 1.0  # seconds kopf gets to pass a list on before somebody missing in it is looked for
_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds between attempts to reach the server; the last one repeats


class MissingKinds(Stalled):
    """The cluster does not serve kinds that the hub needs: its CRDs are not installed."""


class Watcher:
    """
    Tells what happens to the objects of some kinds.

    Args:
        config: The host cluster.
        kinds: What to watch, in the version the hub stores.
        namespaces: Where; empty stands for everywhere.
        label_selector: Only objects with these labels.

    Attributes:
        synced: Set when everything that exists was told once.
    """

    def __init__(
        self,
        config: ClusterConfig,
        kinds: Sequence[Kind],
        *,
        namespaces: Sequence[str] = (),
        label_selector: str = "",
    ) -> None:
        self.synced = asyncio.Event()
        self._config = config
        self._kinds = list(kinds)
        self._namespaces = [one for one in namespaces if one]
        self._scopes: list[str | None] = [*self._namespaces] or [None]
        self._labels = label_selector
        self._rosters = {kind: Roster(kind.api) for kind in kinds}
        self._client: Client
        self._on_event: OnEvent
        self._checks: dict[Kind, asyncio.Task[None]] = {}
        self._logins = 0
        self._login_at = float("-inf")
        self._paths = {kind.api.path(None, ns): kind for kind in kinds for ns in self._scopes}

    async def run(self, on_event: OnEvent) -> None:
        """
        Call ``on_event(kind, type, raw)`` for everything that exists and then for every change, until cancelled.

        ``type`` is ADDED, MODIFIED or DELETED. The object of a DELETED may hold no more than its identity.

        Raises:
            MissingKinds: The CRDs are not there.
        """
        self._on_event = on_event
        self._client = Client(self._config, name="watch")
        try:
            await self._persist(self._first_lists)
            self.synced.set()
            await self._persist(self._follow)
        finally:
            for check in self._checks.values():
                check.cancel()
            await asyncio.gather(*self._checks.values(), return_exceptions=True)
            await self._client.aclose()

    async def _persist(self, part: Callable[[], Any]) -> None:
        """Try again, slower each time, until it ends without an error; reset the pace after a good minute."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began = loop.time()
            try:
                await part()
            except MissingKinds:
                raise
            except HubError as error:
                _log.warning("Cannot watch the cluster; will try again", extra={"why": error.message})
            except Exception as error:  # noqa: BLE001  # whatever breaks in kopf, the hub goes on watching
                known = type(error).__module__.startswith("kopf.")  # what the API server answered, most often
                why = f"{type(error).__name__}: {error}"[:500]
                _log.error("The watch broke; it is started anew", exc_info=not known, extra={"why": why})
            else:
                return
            failures = 0 if loop.time() - began > 60.0 else failures + 1
            await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])

    # The start: lists of our own

    async def _first_lists(self) -> None:
        missing = [one for kind in self._kinds if (one := await self._first_list(kind)) is not None]
        if missing:
            names = ", ".join(f"{kind.api.plural}.{kind.api.group}/{kind.api.version}" for kind in missing)
            raise MissingKinds(
                "CustomResourceDefinitionsMissing",
                f"{self._config.address} does not serve {names}; `hubctl install` brings the definitions",
            )

    async def _first_list(self, kind: Kind) -> Kind | None:
        """Tell what exists; return the kind when the server does not know it."""
        for namespace in self._scopes:
            try:
                listed = await self._client.list(kind.api, namespace, labels=self._labels or None)
            except NotFound:
                return kind
            for item in listed.items:
                self._tell(kind, None, item)
            await asyncio.sleep(0)
        return None

    def _tell(self, kind: Kind, type_: str | None, raw: dict[str, Any]) -> None:
        for news in self._rosters[kind].take(type_, raw, asyncio.get_running_loop().time()):
            self._pass_on(kind, news.type, news.object)

    def _pass_on(self, kind: Kind, type_: str, raw: dict[str, Any]) -> None:
        try:
            self._on_event(kind, type_, raw)
        except Exception:  # noqa: BLE001  # the watch outlives whoever listens
            name = raw["metadata"]["name"]
            _log.exception("An event could not be taken", extra={"object": f"{kind.name}/{name}", "type": type_})

    # The watch: kopf

    async def _follow(self) -> None:
        """Run kopf until it ends or breaks; leave nothing of it behind."""
        stop = asyncio.Event()
        logging.getLogger("kopf").setLevel(logging.CRITICAL)  # it logs every attempt; _Session and _persist say it once
        with _no_signal_handlers(asyncio.get_running_loop()):
            tasks = await kopf.spawn_tasks(
                registry=self._registry(),
                settings=self._settings(),
                identity=_IDENTITY,
                clusterwide=not self._namespaces,
                namespaces=self._namespaces,
                stop_flag=stop,
            )
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            raise RuntimeError("kopf ended by itself")
        finally:
            stop.set()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=10.0)
            for task in tasks:
                with suppress(asyncio.CancelledError, asyncio.InvalidStateError):
                    task.exception()  # seen; the first of them was raised above

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry, id="login")(self._login)
        for kind in self._kinds:
            api = kind.api
            kopf.on.event(api.group, api.version, api.plural, registry=registry, id="watch")(self._handler(kind))
        return registry

    def _handler(self, kind: Kind) -> Any:
        async def handler(event: Mapping[str, Any], **_: Any) -> None:
            self._tell(kind, event["type"], event["object"])

        return handler

    async def _login(self, **_: Any) -> kopf.AiohttpSession:
        """Give kopf our client as its session; it knows how to log in again. kopf asks after every 401."""
        now = asyncio.get_running_loop().time()
        self._logins = self._logins + 1 if now - self._login_at < 2 * _PAUSES[-1] else 0
        if self._logins:
            _log.warning("The watched cluster does not accept our credentials", extra={"address": self._client.address})
            await asyncio.sleep(_PAUSES[min(self._logins, len(_PAUSES) - 1)])
        self._login_at = asyncio.get_running_loop().time()
        session: Any = _Session(self._client, self._listed)
        return kopf.AiohttpSession(server=self._config.server, aiohttp_session=session)

    def _settings(self) -> kopf.OperatorSettings:
        settings = kopf.OperatorSettings()
        settings.process.ultimate_exiting_timeout = None  # it would kill the process that embeds it
        settings.posting.enabled = False
        settings.peering.standalone = True
        settings.scanning.disabled = True  # no watch over CRDs and namespaces
        settings.queueing.idle_timeout = 1.0
        settings.queueing.exit_timeout = 0.5
        settings.watching.reconnect_backoff = 0.1
        settings.watching.chunk_size = 500
        settings.networking.error_backoffs = _PAUSES
        settings.networking.request_timeout = 60.0
        # Never a name of ours: kopf takes off what it believes to be its own finalizer.
        settings.persistence.finalizer = "kopf.hubctl.io/unused"
        settings.persistence.diffbase_storage = _NoDiffBase()
        settings.persistence.progress_storage = _NoProgress()
        if self._labels:
            settings.watching.label_selectors[kopf.EVERYTHING] = self._labels
        return settings

    # What kopf does not tell: who vanished between two lists

    def _listed(self, url: str) -> None:
        """Kopf listed a kind anew: who is not heard of soon may be gone."""
        kind = self._paths.get(urlsplit(url).path.removeprefix(urlsplit(self._config.server).path))
        if kind is None:
            return
        if (running := self._checks.get(kind)) is not None:
            running.cancel()
        self._checks[kind] = asyncio.create_task(self._check(kind), name=f"check {kind.name}")

    async def _check(self, kind: Kind) -> None:
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(_SETTLE)
        while self._rosters[kind].unheard(began):
            try:
                await self._compare(kind)
                return
            except HubError as error:
                _log.debug("Cannot compare with the cluster", extra={"kind": kind.name, "why": error.message})
                await asyncio.sleep(_PAUSES[-1])

    async def _compare(self, kind: Kind) -> None:
        began = asyncio.get_running_loop().time()
        uids: set[str] = set()
        for namespace in self._scopes:
            listed = await self._client.list(kind.api, namespace, labels=self._labels or None, metadata_only=True)
            uids |= {item["metadata"]["uid"] for item in listed.items}
        for news in self._rosters[kind].vanished(uids, began):
            self._pass_on(kind, news.type, news.object)


class _Session:
    """What kopf uses of an ``aiohttp.ClientSession``, on top of our client: its TLS, proxy, identity and renewal."""

    closed = False

    def __init__(self, client: Client, listed: Callable[[str], None]) -> None:
        self.headers = {"User-Agent": USER_AGENT}  # kopf looks whether there is one
        self._client = client
        self._listed = listed
        self._lost = False

    async def request(
        self, *, method: str, url: str, headers: Mapping[str, str] | None = None, **_: Any
    ) -> aiohttp.ClientResponse:
        """Send a request; kopf only reads."""
        if method.upper() != "GET":
            raise RuntimeError(f"kopf must not write: {method} {url}")
        try:
            response = await self._client.exchange("GET", url, headers or {})
        except Unreachable as error:
            if not self._lost:
                _log.warning("Lost the watched cluster", extra={"why": error.message})
            self._lost = True
            raise aiohttp.ClientConnectionError(error.message) from error
        if self._lost:
            _log.info("The watched cluster is back", extra={"address": self._client.address})
        self._lost = False
        if response.status == 200 and "watch=true" not in url and "continue=" not in url:
            self._listed(url)
        return response

    async def close(self) -> None:
        """The client is closed by whoever made it."""


class _NoDiffBase(kopf.DiffBaseStorage):
    """Remembers nothing, on objects or elsewhere; also spares kopf a deep copy of every object."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


class _NoProgress(kopf.ProgressStorage):
    """Remembers nothing."""

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None

    def purge(self, **_: Any) -> None:
        return None

    def touch(self, **_: Any) -> None:
        return None

    def clear(self, *, essence: Any) -> Any:
        return essence


@contextmanager
def _no_signal_handlers(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Keep kopf from taking SIGINT and SIGTERM away from the program that embeds it; it offers no switch."""
    original = loop.add_signal_handler
    setattr(loop, "add_signal_handler", lambda *_: None)  # noqa: B010  # mypy knows that methods are not assigned
    try:
        yield
    finally:
        setattr(loop, "add_signal_handler", original)  # noqa: B010
