"""
One run of an automation on a repository: look, edit, commit, push; again when somebody else pushed in between.

Nothing is remembered between tries: each starts from what the server has now, so no commit of anybody is lost and the
same change is never made twice. A commit that nobody pushed is no commit.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hub.content.commitsign import BadKeyError
from hub.content.gitwrite import BranchMoved, Push, Signature, WriteFailed
from hub.content.refs import Head
from hub.images.message import Changes, compile_template, render
from hub.images.target import check_branch, refspec_push
from hub.images.update import edits_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from hub.api.image import GitSpec
    from hub.api.meta import Key
    from hub.content.commitsign import Signer
    from hub.content.gitcache import GitCache, Remote
    from hub.content.gitwrite import GitWriter
    from hub.images.setters import Image
    from hub.images.target import Target
    from hub.images.update import Edits

_TRIES = 8
_PAUSE = 0.2  # seconds, times the number of the try: whoever loses a race does not lose the next one to the same rival
_ANCESTORS = 50


@dataclass(frozen=True, slots=True)
class Order:
    """
    What a run is asked to do.

    Attributes:
        automation: Whom the message speaks of.
        path: ``spec.update.path``.
        images: By ``<namespace>:<policy>``.
    """

    automation: Key
    git: GitSpec
    target: Target
    path: str
    images: Mapping[str, Image]
    signer: Signer | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What a run found and did.

    Attributes:
        revision: What was checked out, ``<branch>@sha1:<commit>``.
        commit: The commit that was made; empty when nothing had to change.
        branch: Where it went.
        message: Of the commit.
    """

    revision: str
    edits: Edits
    commit: str = ""
    branch: str = ""
    message: str = ""
    changes: Changes | None = field(default=None, repr=False)


class Committer:
    """
    Makes and pushes commits.

    Args:
        cache: Where repositories are fetched into.
        writer: Reads and writes commits there.
    """

    def __init__(self, cache: GitCache, writer: GitWriter) -> None:
        self._cache = cache
        self._writer = writer

    async def run(
        self, remote: Remote, order: Order, announce: Callable[[str, str], Awaitable[None]], head: Head
    ) -> Outcome:
        """
        Bring the branch to what the images want.

        Args:
            remote: The repository.
            order: What to do.
            announce: Called with commit and branch before anything is pushed.
            head: What was found to be checked out.

        Raises:
            Transient: Git, the server or the template failed; nothing was pushed.
            BadTemplateError: The message, or the name of the branch, cannot be rendered; nothing was pushed.
        """
        for number in range(1, _TRIES + 1):
            try:
                return await self._once(remote, order, announce, head)
            except BranchMoved:
                if number == _TRIES:
                    raise
            await asyncio.sleep(_PAUSE * number * random.uniform(0.5, 1.5))  # noqa: S311  spreads load, guards nothing
            head = await self._cache.resolve(remote, order.target.checkout)
        raise AssertionError("unreachable")

    async def preview(self, remote: Remote, order: Order) -> Outcome:
        """Return what a run would do now, without pushing. Raises as :meth:`run`."""
        head = await self._cache.resolve(remote, order.target.checkout)
        await self._cache.fetch(remote, head)
        edits = await edits_of(self._writer, remote, head.commit, order.path, order.images)
        changes = Changes(edits.changes, order.images)
        message, branch = self._texts(order, changes) if edits.files else ("", order.target.branch)
        return Outcome(head.revision, edits, "", branch, message, changes)

    async def _once(
        self, remote: Remote, order: Order, announce: Callable[[str, str], Awaitable[None]], head: Head
    ) -> Outcome:
        compile_template(order.git.commit.message_template)
        await self._cache.fetch(remote, head)
        edits = await edits_of(self._writer, remote, head.commit, order.path, order.images)
        if not edits.files:
            return Outcome(head.revision, edits)
        changes = Changes(edits.changes, order.images)
        message, branch = self._texts(order, changes)
        ref = f"refs/heads/{check_branch(branch)}"
        base, there = head.commit, ""
        if order.target.switches:
            there = await self._cache.look(remote, ref)
            base = await self._base(remote, head.commit, there, ref)
        if base != head.commit:
            # The branch is ahead of what was checked out: what others put there stays.
            edits = await edits_of(self._writer, remote, base, order.path, order.images)
            if not edits.files:
                return Outcome(head.revision, edits)
            changes = Changes(edits.changes, order.images)
            message, _ = self._texts(order, changes)
        commit = await self._commit(remote, order, edits, base, message)
        if base == head.commit and order.target.switches and there:
            first = Push(commit, ref, expected=there, force=True)
        else:
            first = Push(commit, ref)
        pushes = [first]
        if order.target.refspec:
            pushes.append(
                refspec_push(order.target.refspec, commit, (branch, order.target.checkout.branch or "master"))
            )
        await announce(commit, branch)
        await self._writer.push(remote, pushes, order.git.push.options if order.git.push else {})
        return Outcome(head.revision, edits, commit, branch, message, changes)

    def _texts(self, order: Order, changes: Changes) -> tuple[str, str]:
        """Return message and branch."""
        commit = order.git.commit
        data = changes.data(order.automation, commit.message_template_values)
        message = render(compile_template(commit.message_template), data)
        branch = order.target.branch
        if order.target.is_template:
            branch = render(compile_template(branch, "push branch"), data).strip()
        return message, branch

    async def _base(self, remote: Remote, checkout: str, there: str, ref: str) -> str:
        """Return the commit to build on: that of the branch when it holds all of the checkout, else the checkout."""
        commit = there
        for _ in range(_ANCESTORS):
            if not commit or commit == checkout:
                break
            await self._cache.fetch(
                remote, Head(commit, ref.removeprefix("refs/heads/"), ref if commit == there else "")
            )
            _, parents = await self._writer.tree_of(remote, commit)
            commit = parents[0] if parents else ""
        return there if there and commit == checkout else checkout

    async def _commit(self, remote: Remote, order: Order, edits: Edits, base: str, message: str) -> str:
        author = order.git.commit.author
        tree = await self._writer.tree(remote, base, edits.files)
        try:
            return await self._writer.commit(
                remote,
                tree=tree,
                parent=base,
                author=Signature(author.name, author.email, int(time.time())),
                message=message,
                signer=order.signer,
            )
        except BadKeyError as error:
            raise WriteFailed(f"cannot sign the commit: {error}") from error
