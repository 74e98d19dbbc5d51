"""
What happens to one request on its way to the member. Each step adds one behaviour and calls the next:

``forward``      discovery is answered from memory; writes are noted
``_recorded``    what a run just read of Helm's records is not read again
``_stamped``     labels and annotations are put on objects
``_replaced``    an object that cannot be changed is deleted and created anew, where that is wanted
``_sent``        the exchange itself: health, rate, renewed credentials
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import aiohttp

from hub.kube.unreachable import explain
from hub.members.exchange import Answer, Asked, kept_headers
from hub.members.immutable import KEPT, only_immutable
from hub.members.paths import is_discovery
from hub.members.session import Write
from hub.members.stamp import stamp, takes_stamp
from hub.members.storage import identify, is_helm_storage, redirect

if TYPE_CHECKING:
    from hub.members.paths import ResourcePath
    from hub.members.session import RunPolicy, Session

TIMEOUT: Final = 65.0  # seconds for one exchange; an API server gives up on its own after 60
_SAME_LIST: Final = 5.0  # seconds for which a run believes what it has just read
_POLL: Final = (0.05, 1.0)  # seconds between looks whether an object is gone: first, longest
_APPLY: Final = "application/apply-patch+yaml"


async def forward(session: Session, asked: Asked) -> Answer:
    """
    Return the answer to a request that does not stream.

    Raises:
        MemberUnreachable: The member did not answer.
    """
    if asked.method == "GET" and asked.path is None and is_discovery(asked.target.partition("?")[0]):
        again = session.asks_again(asked.target)
        return await session.member.discovery.get(asked, lambda question: _sent(session, question), again=again)
    if asked.path is None:
        return await _sent(session, asked)
    asked, path, is_record = _led(session.policy, asked, asked.path)
    pass_on = _recorded if is_record else _stamped
    if not asked.writes:
        return await pass_on(session, asked, path)
    with session.writing():
        status = 0
        try:
            answer = await pass_on(session, asked, path)
            status = answer.status
            return answer
        finally:
            session.writes.append(Write(asked.method, _name(asked, path, is_record=is_record), status, is_record))


def _led(policy: RunPolicy, asked: Asked, path: ResourcePath) -> tuple[Asked, ResourcePath, bool]:
    """Return the request with Helm's records led to their namespace, and whether it is about those."""
    if not is_helm_storage(asked.method, path, asked.query, asked.body):
        return asked, path, False
    if path.namespace == policy.release_namespace != policy.storage_namespace:
        moved = redirect(asked.target, path, policy.storage_namespace)
        path = path._replace(namespace=policy.storage_namespace)
        asked = replace(asked, target=moved, path=path)
    return asked, path, True


async def _recorded(session: Session, asked: Asked, path: ResourcePath) -> Answer:
    if asked.method != "GET":
        session.forget_listed()
        return await _sent(session, asked)
    known = session.listed(asked.target, _SAME_LIST)
    if known is None:
        known = await _sent(session, asked)
        if known.ok and not path.name:
            session.keep_listed(asked.target, known)
    return known


async def _stamped(session: Session, asked: Asked, path: ResourcePath) -> Answer:
    policy = session.policy
    if not asked.writes:
        return await _sent(session, asked)
    if session.turn is not None:
        await session.turn.resume()
    wanted = policy.labels or policy.annotations
    if wanted and takes_stamp(asked.method, path, asked.headers.get("Content-Type", "")):
        asked = replace(asked, body=stamp(asked.body, policy.labels, policy.annotations))
    answer = await _replaced(session, asked, path)
    session.member.discovery.note_write(path)
    return answer


async def _replaced(session: Session, asked: Asked, path: ResourcePath) -> Answer:
    answer = await _sent(session, asked)
    if answer.status != 422 or not session.policy.force:
        return answer
    if not asked.headers.get("Content-Type", "").startswith(_APPLY) or path.subresource or path.resource in KEPT:
        return answer
    if not only_immutable(answer.json()):
        return answer
    if not await _removed(session, asked, path):
        return answer
    session.replaced.append(_name(asked, path))
    return await _sent(session, asked)


async def _removed(session: Session, asked: Asked, path: ResourcePath) -> bool:
    """Delete the object that the request is about; True when it is gone and nothing else took its place."""
    object_target = asked.target.partition("?")[0]
    look = Asked("GET", object_target, {"Accept": "application/json"}, b"", asked.path)
    uid = (await _sent(session, look)).json().get("metadata", {}).get("uid")
    if not uid:
        return False
    options = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Background",
        "preconditions": {"uid": uid},
    }
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    deletion = Asked("DELETE", object_target, headers, json.dumps(options).encode(), asked.path)
    deleted = await _sent(session, deletion)
    session.writes.append(Write("DELETE", _name(asked, path), deleted.status))
    if not deleted.ok and deleted.status != 404:
        return False
    pause, longest = _POLL
    try:
        async with asyncio.timeout(session.policy.replace_timeout):
            while (found := await _sent(session, look)).status != 404:
                if found.ok and found.json().get("metadata", {}).get("uid") != uid:
                    return False
                await asyncio.sleep(pause)
                pause = min(longest, pause * 2)
    except TimeoutError:
        return False
    return True


async def _sent(session: Session, asked: Asked) -> Answer:
    client = session.member.client
    answer = await _exchange(session, asked)
    if answer.status == 401:
        if await session.member.renew(client):
            answer = await _exchange(session, asked)
        session.unauthorized = answer.status == 401
    return answer


async def _exchange(session: Session, asked: Asked) -> Answer:
    member = session.member
    async with member.raw(asked.method, asked.target, asked.headers, asked.body, TIMEOUT) as response:
        try:
            body = await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise await member.failed(explain(error, member.client.address, TIMEOUT)) from error
        return Answer(response.status, kept_headers(response.headers), body)


def _name(asked: Asked, path: ResourcePath, *, is_record: bool = False) -> str:
    """``Kind/namespace/name`` of what a request is about; the resource stands in for a kind that is not told."""
    kind, name = path.resource, path.name
    if is_record:
        kind, name = "Secret", name or identify(asked.body).name
    elif asked.method != "DELETE" and asked.body.startswith(b"{"):
        with suppress(ValueError):
            item = json.loads(asked.body)
            kind, name = item.get("kind") or kind, name or (item.get("metadata") or {}).get("name", "")
    return "/".join(part for part in (kind, path.namespace, name) if part)
