"""
``.helmignore``: which files of a chart's folder are not part of the chart. Pure.

Helm's rules look like gitignore's and are not: the first match decides, a negated rule that does *not* match leaves the
file out, ``**`` is refused, and a pattern without a slash is compared with the file's own name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HELM_IGNORE = ".helmignore"
_DEFAULT = "templates/.?*"


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    negated: bool
    folders_only: bool
    whole_path: bool

    def matches(self, path: str) -> bool:
        return self.pattern.fullmatch(path if self.whole_path else path.rpartition("/")[2]) is not None


class HelmIgnore:
    """The rules of one chart.

    Raises:
        ValueError: A pattern that Helm refuses.
    """

    def __init__(self, text: str = "") -> None:
        lines = [line.strip() for line in text.removeprefix("\ufeff").splitlines()]
        self._rules = [_parse(line) for line in [*lines, _DEFAULT] if line and not line.startswith("#")]

    def ignores(self, path: str) -> bool:
        """Say whether a file is left out: itself, or a folder above it."""
        parts = path.split("/")
        folders = ("/".join(parts[:count]) for count in range(1, len(parts)))
        return any(self._ignores(folder, is_folder=True) for folder in folders) or self._ignores(path, is_folder=False)

    def _ignores(self, path: str, *, is_folder: bool) -> bool:
        for rule in self._rules:
            if rule.negated:
                if (rule.folders_only and not is_folder) or not rule.matches(path):
                    return True
            elif (is_folder or not rule.folders_only) and rule.matches(path):
                return True
        return False


def _parse(line: str) -> _Rule:
    if "**" in line:
        raise ValueError("double-star (**) syntax is not supported")
    pattern = line.removeprefix("!")
    folders_only = pattern.endswith("/")
    pattern = pattern.removesuffix("/")
    return _Rule(
        pattern=_compile(pattern.removeprefix("/")),
        negated=line.startswith("!"),
        folders_only=folders_only,
        whole_path="/" in pattern,
    )


def _compile(pattern: str) -> re.Pattern[str]:
    """Translate a pattern as Go's ``filepath.Match`` reads it."""
    out: list[str] = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        match char:
            case "*":
                out.append("[^/]*")
            case "?":
                out.append("[^/]")
            case "[":
                end = pattern.find("]", position + 1)
                if end < 0:
                    raise ValueError(f"syntax error in pattern '{pattern}'")
                chosen = pattern[position:end]
                out.append(f"[{chosen}]" if chosen.startswith("^") else f"[{chosen.replace('^', chr(92) + '^')}]")
                position = end + 1
            case "\\" if position < len(pattern):
                out.append(re.escape(pattern[position]))
                position += 1
            case "\\":
                raise ValueError(f"syntax error in pattern '{pattern}'")
            case _:
                out.append(re.escape(char))
    try:
        return re.compile("".join(out), re.DOTALL)
    except re.error as error:
        raise ValueError(f"syntax error in pattern '{pattern}'") from error
