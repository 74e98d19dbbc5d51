"""
Which files of a source do not go into its artifact: gitignore rules, as Flux applies them. Pure.

Rules come from ``.sourceignore`` files, each for its own folder and below, then from ``spec.ignore``; the last one that
matches decides, and ``!`` takes a file back in. Without any rule the built-in ones apply; with one, only version
control files stay excluded by default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pathspec import PathSpec
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SOURCE_IGNORE = ".sourceignore"

VERSION_CONTROL = (".git/", ".gitignore", ".gitmodules", ".gitattributes")
BINARIES = ("*.jpg", "*.jpeg", "*.gif", "*.png", "*.wmv", "*.flv", "*.tar.gz", "*.zip")
PIPELINES = (
    ".github/",
    ".circleci/",
    ".travis.yml",
    ".gitlab-ci.yml",
    "appveyor.yml",
    ".drone.yml",
    "cloudbuild.yaml",
    "codeship-services.yml",
    "codeship-steps.yml",
)
OTHERS = ("**/.goreleaser.yml", "**/.sops.yaml", "**/.flux.yaml")


class IgnoreRules:
    """The rules of one tree.

    Args:
        files: Text of each ``.sourceignore`` by its folder; the root is ``""``.
        ignore: ``spec.ignore``.
        built_in: Whether the built-in rules apply; they do not for buckets.
    """

    def __init__(self, files: Mapping[str, str], ignore: str | None = None, *, built_in: bool = True) -> None:
        scoped = {folder: lines for folder, text in files.items() if (lines := _rules(text.splitlines()))}
        last = _rules((ignore or "").splitlines())
        defaults = VERSION_CONTROL if scoped or last else VERSION_CONTROL + BINARIES + PIPELINES + OTHERS
        self._defaults = _compile(defaults if built_in else ())
        self._scoped = {folder: _compile(lines) for folder, lines in scoped.items()}
        self._last = _compile(last)

    def ignores(self, path: str) -> bool:
        """Say whether a file, by its path from the root with ``/``, is left out."""
        verdict = self._last.check_file(path).include
        if verdict is None:
            verdict = self._scoped_verdict(path)
        if verdict is None:
            verdict = self._defaults.check_file(path).include
        return bool(verdict)

    def _scoped_verdict(self, path: str) -> bool | None:
        """Ask the deepest folder first: its rules come last, and the last match decides."""
        folder = path
        while self._scoped and folder:
            folder = folder.rpartition("/")[0]
            rules = self._scoped.get(folder)
            below = path[len(folder) + 1 :] if folder else path
            if rules and (verdict := rules.check_file(below).include) is not None:
                return verdict
        return None


def _rules(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(line for line in lines if line.strip() and not line.startswith("#"))


def _compile(lines: Iterable[str]) -> PathSpec[GitIgnoreSpecPattern]:
    # Not GitIgnoreSpec: git never takes a file back in whose folder is ignored, Flux does. Not RE2's backend,
    # which is taken where it is installed: it cannot read names that are not UTF-8.
    return PathSpec.from_lines(GitIgnoreSpecPattern, lines, backend="simple")
