"""
Git references and revisions: what a GitRepository asks for, and how the answer is written. Pure.

Precedence is commit, name, tag, semver, branch, then branch ``master``. A revision is
``<branch or tag>@sha1:<commit>``, ``<full reference name>@sha1:<commit>`` or ``sha1:<commit>``; an annotated tag stands
for its commit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.content.semver import BadConstraint, Constraint

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_BRANCH = "master"
_SHA1 = re.compile(r"[0-9a-f]{40}\Z")
# What git itself forbids in reference names, and what would mean something else in a refspec or a pattern.
_BAD_NAME = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/.]|[/.]\Z|\.lock\Z")
_MESSAGE_LENGTH = 50


class RefError(ValueError):
    """A reference that cannot be looked for, or is not there; the message says which and why."""


@dataclass(frozen=True, slots=True)
class GitRef:
    """``spec.ref``; an empty text stands for not given."""

    branch: str = ""
    tag: str = ""
    semver: str = ""
    name: str = ""
    commit: str = ""

    def patterns(self) -> list[str]:
        """
        Return what to ask the server for.

        Raises:
            RefError: A name that git does not allow.
        """
        if self.commit:
            if not _SHA1.match(self.commit):
                raise RefError(f"invalid commit '{self.commit}': 40 hex digits are expected")
            return ["HEAD"]
        if self.name:
            return _peeled(_checked(self.name))
        if self.tag:
            return _peeled(_checked(f"refs/tags/{self.tag}"))
        if self.semver:
            self._constraint()
            return ["refs/tags/*"]
        return [_checked(f"refs/heads/{self.branch or DEFAULT_BRANCH}")]

    def choose(self, advertised: Mapping[str, str]) -> list[Head]:
        """
        Return what the reference stands for, given the server's references by name.

        There are several only when tags tie for the highest version.

        Raises:
            RefError: It is not there.
        """
        if self.commit:
            return [Head(self.commit, self.branch, "")]
        if self.name:
            return [_head(advertised, self.name, self.name)]
        if self.tag:
            return [_head(advertised, f"refs/tags/{self.tag}", self.tag)]
        if self.semver:
            tags = [name.removeprefix("refs/tags/") for name in advertised if not name.endswith("^{}")]
            found = self._constraint().highest(tags)
            if not found:
                raise RefError(f"no match found for semver: {self.semver}")
            return [_head(advertised, f"refs/tags/{tag}", tag) for tag in found]
        branch = self.branch or DEFAULT_BRANCH
        return [_head(advertised, f"refs/heads/{branch}", branch)]

    def _constraint(self) -> Constraint:
        try:
            return Constraint(self.semver)
        except BadConstraint as error:
            raise RefError(f"semver parse error: {error}") from error


@dataclass(frozen=True, slots=True)
class Head:
    """What a reference stands for now.

    Attributes:
        label: What the revision begins with; empty for a bare commit.
        ref: Full name to fetch it by; empty when only the commit is known.
        tag: The tag object that the reference names; empty unless it is an annotated tag.
    """

    commit: str
    label: str
    ref: str
    tag: str = ""

    @property
    def revision(self) -> str:
        """The revision, as ``status.artifact.revision`` has it."""
        return f"{self.label}@sha1:{self.commit}" if self.label else f"sha1:{self.commit}"


def commit_of(revision: str) -> str:
    """Return the commit of a revision, also of the older form ``master/<commit>``; else an empty text."""
    commit = re.split(r"[:/]", revision)[-1]
    return commit if _SHA1.match(commit) else ""


def summary(message: str) -> str:
    """Return the first line of a commit message as events show it, at most 50 characters."""
    line = message.strip().partition("\n")[0].strip()
    return line if len(line) <= _MESSAGE_LENGTH else f"{line[:_MESSAGE_LENGTH]}..."


def _checked(name: str) -> str:
    if _BAD_NAME.search(name):
        raise RefError(f"invalid reference name '{name}'")
    return name


def _peeled(name: str) -> list[str]:
    return [name, f"{name}^{{}}"]


def _head(advertised: Mapping[str, str], ref: str, label: str) -> Head:
    named, peeled = advertised.get(ref), advertised.get(f"{ref}^{{}}")
    if named is None:
        raise RefError(f"couldn't find remote ref '{ref}'")
    commit = peeled or named
    if not _SHA1.match(commit):
        raise RefError(f"'{ref}' names '{commit}': only repositories with SHA-1 object names are supported")
    return Head(commit, label, ref, named if peeled else "")
