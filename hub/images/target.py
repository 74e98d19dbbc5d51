"""
Where an automation reads from and writes to. Pure.

Follows Flux image facts 17 and 18.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.content.gitwrite import Push
from hub.content.refs import GitRef
from hub.errors import Stalled, Transient

if TYPE_CHECKING:
    from hub.api.image import ImageUpdateAutomationSpec
    from hub.api.source import GitRef as RefSpec
    from hub.api.source import GitRepositorySpec

_BAD = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/.]|[/.]\Z|\.lock\Z")
_HEADS = "refs/heads/"


@dataclass(frozen=True, slots=True)
class Target:
    """
    What is checked out and what is pushed.

    Attributes:
        checkout: The reference to start from.
        branch: Where commits go; may be a template, which is rendered for each change.
        refspec: Pushed as well; may be empty.
    """

    checkout: GitRef
    branch: str
    refspec: str

    @property
    def switches(self) -> bool:
        """Whether commits go to another branch than the one that is read."""
        ref = self.checkout
        return bool(ref.tag or ref.semver or ref.commit or ref.name) or self.branch != (ref.branch or "master")


def target_of(spec: ImageUpdateAutomationSpec, source: GitRepositorySpec) -> Target:
    """
    Read where an automation reads and writes.

    Raises:
        Stalled: It says too little.
        Transient: The branch to push to cannot be told (reason ``SourceManagerFailed``).
    """
    git = spec.git
    if str(spec.source_ref.kind) != "GitRepository":
        message = f"source kind '{spec.source_ref.kind}' not supported: only GitRepository is"
        raise Stalled("InvalidSourceConfiguration", message)
    if git is None:
        message = "source kind 'GitRepository' necessitates field .spec.git: invalid source configuration"
        raise Stalled("InvalidSourceConfiguration", message)
    if spec.update.strategy != "Setters":
        raise Stalled("InvalidUpdateStrategy", f"unknown update strategy: '{spec.update.strategy}': use 'Setters'")
    given = git.checkout.ref if git.checkout is not None else source.ref
    checkout = _ref(given)
    branch = git.push.branch if git.push is not None else ""
    if not branch:
        if given is not None and not given.branch:
            raise Transient(
                "SourceManagerFailed",
                "failed configuring source manager: push spec not provided, and cannot be inferred from "
                ".spec.git.checkout.ref or GitRepository .spec.ref",
            )
        branch = checkout.branch or "master"
    return Target(checkout, branch, git.push.refspec if git.push is not None else "")


def check_branch(branch: str) -> str:
    """
    Return a branch that Git allows.

    Raises:
        Transient: It does not (reason ``SourceManagerFailed``).
    """
    if not branch or _BAD.search(branch):
        raise Transient("SourceManagerFailed", f"failed configuring source manager: '{branch}' is not a branch name")
    return branch


def refspec_push(refspec: str, commit: str, branches: tuple[str, ...]) -> Push:
    """
    Return what a refspec pushes; its left side stands for the commit that was made.

    Raises:
        Transient: It is no refspec, or names something else on the left (reason ``SourceManagerFailed``).
    """
    source, colon, destination = refspec.removeprefix("+").partition(":")
    known = {"HEAD", *branches, *(_HEADS + branch for branch in branches)}
    start = f"failed configuring source manager: refspec '{refspec}'"
    if source not in known:
        raise Transient("SourceManagerFailed", f"{start} has to begin with HEAD or the branch that is pushed")
    full = destination if destination.startswith("refs/") else _HEADS + destination
    if not colon or _BAD.search(full):
        raise Transient("SourceManagerFailed", f"{start} does not name where to push to")
    return Push(commit, full, force=refspec.startswith("+"))


def _ref(ref: RefSpec | None) -> GitRef:
    if ref is None:
        return GitRef()
    return GitRef(branch=ref.branch, tag=ref.tag, semver=ref.semver, name=ref.name, commit=ref.commit)
