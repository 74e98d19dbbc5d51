"""
Why a release did not become ready: the first workload that is not, its worst Pod, and what was last said of that.

Helm says which object it waited for in vain; people need to know why. Only asked after a failed wait, best effort: what
cannot be read is left out.
"""

from __future__ import annotations

import logging
import re
from functools import partial
from typing import TYPE_CHECKING, Any

from hub.api.meta import EVENTS, PODS
from hub.errors import HubError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hub.api.meta import Api
    from hub.kube.client import Client
    from hub.kube.mapper import Mapper
    from hub.members.member import Member
    from hub.release.manifest import ObjectRef

_log = logging.getLogger(__name__)
_WAITED = re.compile(r"not ready|deadline exceeded|timed out|timeout waiting")
_WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"})
_LONGEST = 300  # characters of what a Pod or an event says


def waited_in_vain(message: str) -> bool:
    """Whether an error of helm's means that it waited for objects until its time was up."""
    return bool(_WAITED.search(message))


async def diagnose(refs: Iterable[ObjectRef], namespace: str, member: Member, mapper: Mapper) -> str:
    """
    Return a sentence on the first workload that is not ready; the empty text when there is nothing to tell.

    Args:
        refs: Objects of the release.
        namespace: Of those that do not say.
        member: Where they are.
        mapper: Its kinds.
    """
    try:
        for ref in refs:
            if ref.kind in _WORKLOADS or ref.kind == "Pod":
                api = await mapper.api(ref.api_version, ref.kind)
                found = await member.call(partial(_of_workload, ref=ref, api=api, namespace=ref.namespace or namespace))
                if found:
                    return found
    except HubError as error:
        _log.debug("Could not find out more", extra={"why": error.message})
    return ""


async def _of_workload(client: Client, *, ref: ObjectRef, api: Api, namespace: str) -> str:
    item = await client.get(api, ref.name, namespace)
    if ref.kind == "Pod":
        pods = [item]
    else:
        labels = ((item.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        pods = (await client.list(PODS, namespace, labels=selector)).items if selector else []
    sick = [pod for pod in pods if not is_healthy(pod)]
    if not sick:
        return ""
    # The newest is of the revision that was waited for.
    pod = max(sick, key=lambda one: one["metadata"].get("creationTimestamp", ""))
    event = await _last_warning(client, namespace, pod["metadata"]["name"])
    words = [f"Pod/{namespace}/{pod['metadata']['name']}: {complaint(pod)}", *([event] if event else [])]
    return _cut("; ".join(words))


async def _last_warning(client: Client, namespace: str, pod: str) -> str:
    events = await client.list(EVENTS, namespace, fields=f"involvedObject.name={pod},type=Warning")
    if not events.items:
        return ""
    last = max(events.items, key=lambda one: one.get("lastTimestamp") or one.get("eventTime") or "")
    return f"last Warning event {last.get('reason', '')}: {last.get('message', '').strip()}"


def is_healthy(pod: dict[str, Any]) -> bool:
    """Whether a Pod is ready, or has done what it was made for. Pure."""
    status = pod.get("status") or {}
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions") or ())
    return ready or status.get("phase") == "Succeeded"


def complaint(pod: dict[str, Any]) -> str:
    """Return what a Pod itself says is wrong: a container's state, else a condition, else its phase. Pure."""
    status = pod.get("status") or {}
    for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        state = container.get("state") or {}
        for word in ("waiting", "terminated"):
            if (found := state.get(word)) and found.get("reason") not in (None, "Completed", "PodInitializing"):
                said = f": {found['message'].strip()}" if found.get("message") else ""
                return f"container '{container['name']}' {found['reason']}{said}"
    for condition in status.get("conditions") or ():
        if condition.get("status") == "False" and condition.get("message"):
            return f"{condition['type']} is False: {condition['message']}"
    return f"is {status.get('phase', 'Unknown')} and not Ready"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
