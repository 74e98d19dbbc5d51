"""
The index of a Helm repository, read without holding it: tens of megabytes of YAML in which one chart is of interest.

What Helm writes has a shape: below ``entries:`` one line for each chart, at one indentation. :func:`scan` notes where
each chart's lines begin; :meth:`Index.versions` parses those alone. A file of another shape (JSON, flow style) is
brought into it first, event by event. Everything here blocks: run it in threads.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

import yaml

from hub.content.remembered import Remembered
from hub.content.semver import BadConstraint, Constraint, parse_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_KEY = re.compile(rb"""("?)([A-Za-z0-9][A-Za-z0-9._/+-]*)\1:[ \t]*(?:\[\]|null|#.*)?\r?\n?\Z""")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]*\Z")
_TOP = re.compile(rb"(apiVersion|entries)[ \t]*:[ \t]*([^#\r\n]*)")
_MAX_DEPTH = 100
_MAX_LINE = 1 << 16  # bytes; an index in one line is of another shape, and would be read at once
_LATEST = frozenset({"", "*"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PARSER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class BadIndexError(ValueError):
    """The file is no index of a Helm repository; the message says why."""


class NoSuchVersionError(ValueError):
    """The index has no version of the chart within the range; or the range is none."""


@dataclass(frozen=True, slots=True)
class ChartVersion:
    """
    One version of a chart.

    Attributes:
        urls: Where the package is; relative ones begin at the repository.
        digest: SHA-256 of the package in hex; empty when the index does not say.
        created: RFC 3339; empty when the index does not say.
    """

    name: str
    version: str
    urls: tuple[str, ...]
    digest: str
    created: str


@dataclass(frozen=True, slots=True)
class Index:
    """Where the versions of each chart are in a file: the bytes from ... to."""

    file: Path
    spans: Mapping[str, tuple[int, int]]

    def versions(self, chart: str) -> list[ChartVersion]:
        """
        Return every usable version of a chart, in the order of the index.

        Raises:
            NoSuchVersionError: There is no such chart.
            BadIndexError: Its part of the file is not YAML.
            OSError: The file is gone.
        """
        if chart not in self.spans:
            raise NoSuchVersionError(f"no chart name found: the repository has no chart '{chart}'")
        start, end = self.spans[chart]
        with self.file.open("rb") as file:
            file.seek(start)
            data = file.read(end - start)
        try:
            found = yaml.load(data, _PARSER)  # noqa: S506  # BaseLoader makes text, lists and mappings only
        except (yaml.YAMLError, ValueError) as error:
            raise BadIndexError(f"the entries of chart '{chart}' are not YAML: {_short(error)}") from error
        entries = found if isinstance(found, list) else []
        return [version for entry in entries if (version := _version(entry)) is not None]


def pick(versions: list[ChartVersion], wanted: str) -> ChartVersion:
    """
    Return the version that is asked for: one of exactly this name, else the highest within the range (fact 35).

    Raises:
        NoSuchVersionError: There is none.
    """
    for one in versions:
        if one.version == wanted:
            return one
    try:
        names = Constraint("*" if wanted in _LATEST else wanted).highest(
            (one.version for one in versions), strict=False
        )
    except BadConstraint as error:
        raise NoSuchVersionError(str(error)) from error
    best = [one for one in versions if one.version in names]
    if not best:
        name = versions[0].name if versions else ""
        raise NoSuchVersionError(f"no '{name}' chart with version matching '{wanted}' found")
    return max(best, key=lambda one: _time(one.created))


def scan(file: Path) -> Index | None:
    """
    Return where the charts of an index are; None when it is not of the shape that Helm writes.

    Raises:
        OSError: It cannot be read.
    """
    scanner, offset = _Scanner(), 0
    with file.open("rb") as lines:
        while line := lines.readline(_MAX_LINE):
            if len(line) == _MAX_LINE or not scanner.take(line, offset):
                return None
            offset += len(line)
    scanner.end(offset)
    return Index(file, scanner.spans) if scanner.top == {b"apiVersion", b"entries"} else None


class _Scanner:
    """Takes an index line by line; knows where each chart's lines are."""

    def __init__(self) -> None:
        self.spans: dict[str, tuple[int, int]] = {}
        self.top: set[bytes] = set()
        self._chart, self._start, self._indent, self._inside = "", 0, -1, False

    def take(self, line: bytes, begin: int) -> bool:
        """Note what a line that begins at an offset says; return whether it is of the shape."""
        bare = line.lstrip(b" ")
        if not bare.strip() or bare.startswith(b"#"):
            return True
        depth = len(line) - len(bare)
        if depth == 0:
            self.end(begin)
            return self._take_top(line)
        if not self._inside or depth > self._indent >= 0 or (depth == self._indent and bare.startswith(b"-")):
            return True
        if self._indent < 0:
            self._indent = depth
        key = _KEY.match(bare)
        if depth != self._indent or key is None:
            return False
        self.end(begin)
        self._chart, self._start = key[2].decode(), begin + len(line)
        return True

    def end(self, offset: int) -> None:
        """Note that the lines of a chart end."""
        if self._chart:
            self.spans[self._chart] = (self._start, offset)
        self._chart = ""

    def _take_top(self, line: bytes) -> bool:
        found = _TOP.match(line)
        self._inside = found is not None and found[1] == b"entries"
        if found is None:
            return line[:1] not in b"{[<\"'|>-?&*!%@`" or line.startswith(b"---")
        self.top.add(found[1])
        return not self._inside or found[2].strip() in {b"", b"{}"}


def load(file: Path, spare: Path) -> Index:
    """
    Return where the charts of an index are, in the file itself or in ``spare``, which is then written.

    Raises:
        BadIndexError: It is no index.
        OSError: A file cannot be read or written.
    """
    index = scan(file)
    if index is not None:
        return index
    with file.open("rb") as source, spare.open("w", encoding="utf-8") as target:
        beginning = source.read(512).lstrip()[:1]
        source.seek(0)
        if beginning == b"<":
            raise BadIndexError("it is a web page, not YAML: check spec.url")
        try:
            _normalise(source, target)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise BadIndexError(f"it is not YAML: {_short(error)}") from error
    index = scan(spare)
    if index is None:
        raise BadIndexError("it has no 'entries'")
    return index


class Lookups:
    """What was found in stored indexes, by digest: where charts are, and the versions of those asked for last."""

    def __init__(self, indexes: int = 16, charts: int = 256) -> None:
        self._spans: Remembered[str, Mapping[str, tuple[int, int]]] = Remembered(indexes)
        self._versions: Remembered[tuple[str, str], list[ChartVersion]] = Remembered(charts)

    def versions(self, file: Path, digest: str, chart: str) -> list[ChartVersion]:
        """Return what :meth:`Index.versions` does for a stored index."""
        return self._versions.get((digest, chart), lambda: self._index(file, digest).versions(chart))

    def _index(self, file: Path, digest: str) -> Index:
        def spans() -> Mapping[str, tuple[int, int]]:
            index = scan(file)
            if index is None:
                raise BadIndexError("the stored index is damaged")
            return index.spans

        return Index(file, self._spans.get(digest, spans))


def _version(entry: Any) -> ChartVersion | None:
    """Return an entry that Helm would list; others are passed over, as Helm does."""
    if not isinstance(entry, dict):
        return None
    texts = {key: value for key, value in entry.items() if isinstance(value, str)}
    urls = entry.get("urls")
    name, version = texts.get("name", ""), texts.get("version", "")
    if not name or parse_version(version) is None or not isinstance(urls, list):
        return None
    given = tuple(url for url in urls if isinstance(url, str) and url)
    return ChartVersion(name, version, given, texts.get("digest", ""), texts.get("created", "")) if given else None


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return _EPOCH
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _normalise(source: IO[bytes], target: IO[str]) -> None:
    """Write an index in the shape that :func:`scan` reads, with what matters of each entry, as it is parsed."""
    events = yaml.parse(source, _PARSER)
    _expect(events, yaml.StreamStartEvent)
    _expect(events, yaml.DocumentStartEvent)
    _expect(events, yaml.MappingStartEvent)
    while isinstance(event := next(events), yaml.ScalarEvent):
        if event.value == "apiVersion":
            target.write(f"apiVersion: {json.dumps(str(_compose(next(events), events)))}\n")
        elif event.value == "entries":
            _normalise_entries(events, target)
        else:
            _compose(next(events), events)
    if not isinstance(event, yaml.MappingEndEvent):
        raise BadIndexError("a key is not text")


def _normalise_entries(events: Iterator[Any], target: IO[str]) -> None:
    target.write("entries:\n")
    _expect(events, yaml.MappingStartEvent, "'entries' is not a mapping")
    while isinstance(key := next(events), yaml.ScalarEvent):
        if isinstance(start := next(events), yaml.ScalarEvent):
            continue  # null: a chart without versions
        if not isinstance(start, yaml.SequenceStartEvent):
            raise BadIndexError(f"the entries of chart '{key.value[:80]}' are not a list")
        usable = _NAME.match(key.value)
        if usable:
            target.write(f"  {key.value}:\n")
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            version = _version(_compose(event, events))
            if usable and version is not None:
                entry = {
                    "name": version.name,
                    "version": version.version,
                    "urls": version.urls,
                    "digest": version.digest,
                    "created": version.created,
                }
                target.write(f"  - {json.dumps(entry)}\n")


def _expect(
    events: Iterator[Any], kind: type[Any], why: str = "a mapping with 'apiVersion' and 'entries' is expected"
) -> None:
    if not isinstance(next(events), kind):
        raise BadIndexError(why)


def _compose(event: Any, events: Iterator[Any], depth: int = 0) -> Any:
    """Return the value that begins with an event. Aliases are not followed: no index needs them, and bombs do."""
    if depth > _MAX_DEPTH:
        raise BadIndexError(f"it is nested more than {_MAX_DEPTH} deep")
    match event:
        case yaml.ScalarEvent():
            return event.value
        case yaml.SequenceStartEvent():
            items = []
            while not isinstance(item := next(events), yaml.SequenceEndEvent):
                items.append(_compose(item, events, depth + 1))
            return items
        case yaml.MappingStartEvent():
            fields = {}
            while not isinstance(key := next(events), yaml.MappingEndEvent):
                name = _compose(key, events, depth + 1)
                fields[str(name)] = _compose(next(events), events, depth + 1)
            return fields
        case _:
            return None


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
