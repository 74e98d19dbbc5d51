"""Wait until an object is ready, telling what it says on the way."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from hub.api.duration import Duration
from hub.cli.failures import Failed
from hub.cli.readiness import Progress, Stage, progress
from hub.cli.stream import Stream

if TYPE_CHECKING:
    from hub.api.kind import Kind
    from hub.api.meta import Resource
    from hub.cli.say import Say
    from hub.cli.scope import Cluster

_NO_ANSWER = 10.0  # seconds after which a hub that does not pick up a request is worth a word


class Wait:
    """
    One wait for one object.

    Args:
        cluster: Where it is.
        kind: Its kind.
        name: Its name, in the namespace of the cluster's scope.
        request: Value of the annotation ``requestedAt`` to be acted on; the empty word when the spec was changed.
        say: Told what happens.
    """

    def __init__(self, cluster: Cluster, kind: Kind, name: str, say: Say, request: str = "") -> None:
        self._cluster = cluster
        self._kind = kind
        self._name = name
        self._say = say
        self._request = request
        self._latest = Progress(Stage.UNSEEN, "")
        self._answered = asyncio.Event()

    async def until_ready(self, timeout: float) -> Resource:
        """
        Return the object once it is ready.

        Raises:
            Failed: It is not, it is gone, or it took too long; the message has the object's own words.
        """
        reminder = asyncio.create_task(self._remind())
        try:
            async with asyncio.timeout(timeout), self._say.busy(f"waiting for {self._what}"):
                return await self._follow()
        except TimeoutError:
            raise Failed(self._overdue(timeout)) from None
        finally:
            reminder.cancel()

    @property
    def _what(self) -> str:
        return f"{self._kind.name} {self._cluster.namespace}/{self._name}"

    async def _follow(self) -> Resource:
        stream = Stream(
            self._cluster.client,
            self._kind.api,
            self._cluster.namespace,
            name=self._name,
            lost=lambda why: self._say.warning(f"{why}; trying again"),
        )
        async with aclosing(stream.batches()) as batches:
            async for batch in batches:
                if not batch:
                    raise Failed(f"{self._what} is not there (any more)")
                for change in batch:
                    if change.what == "deleted":
                        raise Failed(f"{self._what} was deleted meanwhile")
                    if found := self._judge(change.object):
                        return found
        raise AssertionError("a stream does not end")

    def _judge(self, raw: dict[str, Any]) -> Resource | None:
        resource = self._kind.model.parse(raw)
        before, self._latest = self._latest, progress(resource, self._request)
        stage, message = self._latest.stage, self._latest.message
        if stage is not Stage.UNSEEN:
            self._answered.set()
        match stage:
            case Stage.READY:
                return resource
            case Stage.FAILED:
                raise Failed(f"{self._what} reconciliation failed: '{_line(message)}'")
            case Stage.SUSPENDED:
                raise Failed(f"{self._what} was suspended meanwhile")
            case Stage.WORKING if message and message != before.message:
                self._say.waiting(f"{self._kind.name} {self._name}: {_line(message)}")
            case _:
                pass
        return None

    async def _remind(self) -> None:
        await asyncio.sleep(_NO_ANSWER)
        if not self._answered.is_set():
            self._say.warning(f"{self._what}: nobody has picked the request up yet; does the hub run?")

    def _overdue(self, timeout: float) -> str:
        if self._latest.stage is Stage.UNSEEN:
            why = "no hub acted on the request: does one run, and does it watch this namespace?"
        else:
            why = _line(self._latest.message) or self._latest.stage.value
        return f"{self._what} is not ready after {Duration.from_seconds(timeout)}: {why}"


def _line(text: str) -> str:
    return " ".join(text.split())
