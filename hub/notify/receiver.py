"""
The Receiver controller: keeps the path at which a Receiver is called, and whether it can be.

Follows Flux notification facts 19 and 20; calls themselves are answered by :mod:`hub.notify.hooks`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hub.api.duration import Duration
from hub.api.meta import READY
from hub.api.notification import Receiver
from hub.notify import rules, token
from hub.runtime.steps import Attempt, Reconciler

if TYPE_CHECKING:
    from hub.errors import HubError
    from hub.kube.client import Client
    from hub.runtime.access import Access
    from hub.runtime.cache import Cache
    from hub.runtime.events import Recorder
    from hub.runtime.secrets import SecretReader


class ReceiverReconciler(Reconciler[Receiver]):
    """Keeps ``status.webhookPath`` of each Receiver."""

    def __init__(
        self, client: Client, cache: Cache, recorder: Recorder, *, secrets: SecretReader, access: Access
    ) -> None:
        super().__init__(client, cache, recorder)
        self._secrets = secrets
        self._access = access

    async def steps(self, attempt: Attempt[Receiver]) -> float:
        """Derive the path; return the seconds until the next look. Raises ``HubError``."""
        receiver = attempt.resource
        await asyncio.to_thread(rules.check, receiver, self._access)  # the first expression loads its language
        data = await token.read(self._secrets, receiver)
        receiver.status.webhook_path = token.path_for(receiver, token.token_of(data))
        interval = receiver.spec.interval.seconds
        shown = Duration.from_seconds(interval)
        self.recorder.normal(receiver, "Succeeded", f"Reconciliation finished, next run in {shown}")
        return interval

    async def finalize(self, attempt: Attempt[Receiver]) -> None:
        """There is nothing to remove: a Receiver that is gone is not found any more."""

    def summarize(self, attempt: Attempt[Receiver], error: HubError | None) -> None:
        """Write Ready; without a token there is no path."""
        status = attempt.resource.status
        if error is None:
            message = f"Receiver initialized for path: {status.webhook_path}"
            attempt.conditions.mark_true(READY, "Succeeded", message)
            return
        if error.reason == token.NOT_FOUND:
            status.webhook_path = ""
        attempt.conditions.mark_false(READY, error.reason, error.message)
