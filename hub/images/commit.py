"""
One run of an automation on a repository: look, edit, commit, push; again when somebody else pushed in between.

Nothing is remembered between tries: each starts from what the server has now, so no commit of anybody is lost and the
same change is never made twice. A commit that nobody pushed is no commit.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.content.gitwrite import BranchMoved, Push, Signature, WriteFailed
from hub.content.keys import BadKeyError
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


@dataclass(frozen=True, slots=True)
class _Plan:
    """The next commit: on top of which, with which edits, to which branch."""

    base: str
    edits: Edits
    branch: str
    message: str = ""

    def outcome(self, head: Head, commit: str = "") -> Outcome:
        return Outcome(head.revision, self.edits, commit, self.branch, self.message)


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
        plan = await self._plan(remote, order, head.commit)
        return plan.outcome(head)

    async def _once(
        self, remote: Remote, order: Order, announce: Callable[[str, str], Awaitable[None]], head: Head
    ) -> Outcome:
        compile_template(order.git.commit.message_template)
        await self._cache.fetch(remote, head)
        plan, there = await self._plan(remote, order, head.commit), ""
        if plan.edits.files and order.target.switches:
            ref = f"refs/heads/{check_branch(plan.branch)}"
            there = await self._cache.look(remote, ref)
            if await self._is_ahead(remote, there, head.commit, ref):
                # What others put on the branch stays.
                plan = await self._plan(remote, order, there, plan.branch)
        if not plan.edits.files:
            return Outcome(head.revision, plan.edits)
        commit = await self._commit(remote, order, plan)
        pushes = _pushes(order.target, plan, commit, there)
        await announce(commit, plan.branch)
        await self._writer.push(remote, pushes, order.git.push.options if order.git.push else {})
        return plan.outcome(head, commit)

    async def _plan(self, remote: Remote, order: Order, base: str, branch: str = "") -> _Plan:
        """Return what a commit on top of another has to be; the branch is rendered unless it is known."""
        edits = await edits_of(self._writer, remote, base, order.path, order.images)
        changes = Changes(edits.changes, order.images)
        branch = branch or order.target.branch
        if not edits.files:
            return _Plan(base, edits, branch)
        spec = order.git.commit
        data = changes.data(order.automation, spec.message_template_values)
        message = render(compile_template(spec.message_template), data)
        if "{{" in branch:
            branch = render(compile_template(branch, "push branch"), data).strip()
        return _Plan(base, edits, branch, message)

    async def _is_ahead(self, remote: Remote, commit: str, checkout: str, ref: str) -> bool:
        """Whether a branch holds all of what is checked out, as far back as we care to look."""
        branch = ref.removeprefix("refs/heads/")
        for number in range(_ANCESTORS):
            if not commit or commit == checkout:
                break
            await self._cache.fetch(remote, Head(commit, branch, "" if number else ref))
            _, parents = await self._writer.tree_of(remote, commit)
            commit = parents[0] if parents else ""
        return bool(commit) and commit == checkout

    async def _commit(self, remote: Remote, order: Order, plan: _Plan) -> str:
        author = order.git.commit.author
        tree = await self._writer.tree(remote, plan.base, plan.edits.files)
        try:
            return await self._writer.commit(
                remote,
                tree=tree,
                parent=plan.base,
                author=Signature(author.name, author.email, int(time.time())),
                message=plan.message,
                signer=order.signer,
            )
        except BadKeyError as error:
            raise WriteFailed(f"cannot sign the commit: {error}") from error


def _pushes(target: Target, plan: _Plan, commit: str, there: str) -> list[Push]:
    """Return what to push; a branch that is replaced has to be at ``there`` still."""
    ref = f"refs/heads/{check_branch(plan.branch)}"
    replaces = bool(there) and plan.base != there
    pushes = [Push(commit, ref, expected=there, force=True) if replaces else Push(commit, ref)]
    if target.refspec:
        pushes.append(refspec_push(target.refspec, commit, (plan.branch, target.checkout.branch or "master")))
    return pushes
