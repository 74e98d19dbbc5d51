"""
Write images into YAML where markers ask for them, and change nothing else. Pure.

A marker is a comment on the line of a scalar: ``tag: 1.0.0 # {"$imagepolicy": "apps:web:tag"}``. The text is never
parsed and printed again: the scalar's own characters are replaced, so comments, quotes, order, anchors and line ends
stay byte for byte. Follows Flux image fact 21.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEY = '"$imagepolicy"'
SUFFIXES = ("name", "tag", "digest")

_COMMENT = re.compile(r"(?:^|(?<=[ \t]))#[ \t]*(\{[ \t]*\"\$imagepolicy\"[ \t]*:[^\r\n]*)", re.MULTILINE)
_DOCUMENT = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_TABS = re.compile(r"[ \t]+(?=#|\r?$)", re.MULTILINE)
_PROPERTIES = re.compile(r"(?:[&!]\S*[ \t]+)*")
_BETWEEN = re.compile(r"[ \t,}\]]*\Z")
# What some reader of YAML (1.1, 1.2, Go's) takes for something else than text when it is not quoted.
_NOT_TEXT = re.compile(
    r"(?:|~|null|true|false|yes|no|on|off|y|n"
    r"|[-+]?(?:\.inf|0[xob][0-9a-f_]+|(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:e[-+]?[0-9]+)?)|\.nan"
    r"|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2})\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Image:
    """What a policy chose."""

    name: str
    tag: str
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.name}:{self.tag}" + (f"@{self.digest}" if self.digest else "")

    def part(self, suffix: str) -> str:
        """Return what a marker with this suffix stands for."""
        return str(getattr(self, suffix)) if suffix else str(self)


class ObjectId(NamedTuple):
    """The Kubernetes object that a document is; empty words when it is none, as in a values file."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """
    One scalar that was written.

    Attributes:
        line: Of the scalar, counted from 1.
        setter: What the marker says: ``<namespace>:<policy>[:<suffix>]``.
        policy: ``<namespace>:<policy>``.
    """

    line: int
    object: ObjectId
    setter: str
    policy: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A marker or a document that was left alone, and why."""

    line: int
    message: str


@dataclass(slots=True)
class Edited:
    """
    A file after its markers were heeded.

    Attributes:
        unknown: Markers that name no policy we were given: line and ``<namespace>:<policy>``.
    """

    text: str
    changes: list[Change] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    unknown: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Scalar:
    """Where a value stands in its document."""

    start: int
    end: int
    value: str
    style: str | None

    @property
    def is_block(self) -> bool:
        return self.style in {"|", ">"}


def edit(text: str, images: Mapping[str, Image]) -> Edited:
    """
    Return a file with every marked scalar as its policy wants it.

    Args:
        text: Content of a YAML file, its line ends untouched.
        images: By ``<namespace>:<policy>``.
    """
    out = Edited("")
    for start, document in _documents(text):
        _edit_document(document, text.count("\n", 0, start), images, out)
    return out


def _documents(text: str) -> Iterator[tuple[int, str]]:
    """Cut a file into documents, so that one that cannot be read does not spoil the others."""
    starts = [match.start() for match in _DOCUMENT.finditer(text)]
    # Directives (%YAML, %TAG) belong to the document that follows them.
    if starts and text.startswith("%"):
        starts = starts[1:]
    bounds = sorted({0, *starts, len(text)})
    for start, end in itertools.pairwise(bounds):
        yield start, text[start:end]


def _edit_document(text: str, before: int, images: Mapping[str, Image], out: Edited) -> None:
    comments = list(_COMMENT.finditer(text))
    scalars: list[_Scalar] = []
    identity = ObjectId()
    if comments:
        try:
            scalars, identity = _read(text)
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            line = before + text.count("\n", 0, comments[0].start()) + 1
            out.problems.append(Problem(line, f"the document cannot be read as YAML and is skipped: {_why(error)}"))
            comments = []
    pieces, position = [], 0
    for comment in comments:
        line = before + text.count("\n", 0, comment.start()) + 1
        if any(not scalar.is_block and scalar.start < comment.start() < scalar.end for scalar in scalars):
            continue  # within a text, so it is no comment
        scalar = _marked(text, scalars, comment.start())
        written = _heed(comment[1].strip(), line, scalar=scalar, images=images, identity=identity, out=out)
        if written is not None and scalar is not None and scalar.start >= position:
            replacement, end = _replacement(text, scalar, written)
            pieces += [text[position : scalar.start], replacement]
            position = end
    out.text += "".join([*pieces, text[position:]])


def _heed(
    comment: str, line: int, *, scalar: _Scalar | None, images: Mapping[str, Image], identity: ObjectId, out: Edited
) -> str | None:
    """Return what a marker wants to be written; None when that is there already, or cannot be told."""
    try:
        setter = _setter(comment)
    except ValueError as error:
        out.problems.append(Problem(line, str(error)))
        return None
    namespace, _, rest = setter.partition(":")
    name, _, suffix = rest.partition(":")
    policy = f"{namespace}:{name}"
    if suffix and suffix not in SUFFIXES:
        out.problems.append(Problem(line, f"marker '{setter}' ends in ':{suffix}': name, tag and digest are known"))
        return None
    if scalar is None:
        out.problems.append(Problem(line, f"marker '{setter}' does not stand behind a value"))
        return None
    image = images.get(policy)
    if image is None:
        out.unknown.append((line, policy))
        return None
    old, new = scalar.value.strip() if scalar.is_block else scalar.value, image.part(suffix)
    if new == old:
        return None
    out.changes.append(Change(line, identity, setter, policy, old, new))
    return new


def _setter(comment: str) -> str:
    try:
        found = json.loads(comment)
    except ValueError as error:
        raise ValueError(f"the marker {comment} is not JSON") from error
    setter = found.get("$imagepolicy") if isinstance(found, dict) else None
    if not isinstance(setter, str) or not re.fullmatch(r"[^:\s]+:[^:\s]+(:\w+)?", setter):
        raise ValueError(f'the marker {comment} does not read {{"$imagepolicy": "<namespace>:<policy>[:<part>]"}}')
    return setter


def _marked(text: str, scalars: list[_Scalar], comment: int) -> _Scalar | None:
    """Return the value that a comment stands behind, on the same line."""
    line = text.rfind("\n", 0, comment) + 1
    for scalar in reversed(scalars):
        if scalar.is_block:
            # The comment of a block scalar stands in its header, after the indicators.
            if line <= scalar.start < comment < scalar.end and not text[scalar.start : comment].strip(
                "|>+-123456789 \t"
            ):
                return scalar if scalar.value.strip() else None
        elif line <= scalar.end <= comment and _BETWEEN.match(text[scalar.end : comment]):
            return scalar
    return None


def _read(text: str) -> tuple[list[_Scalar], ObjectId]:
    """Return the values of a document in their order, and what object it is."""
    scalars: list[_Scalar] = []
    identity = ObjectId()
    # The reader knows no tabs before comments and line ends; spaces keep every position.
    loader = yaml.SafeLoader(_TABS.sub(lambda match: " " * len(match[0]), text))
    try:
        while loader.check_node():
            root = loader.get_node()
            if root is None:
                break
            identity = identity if any(identity) else _identity(root)
            scalars += _values(text, root)
    finally:
        loader.dispose()
    return sorted(scalars, key=lambda scalar: (scalar.start, scalar.end)), identity


def _values(text: str, root: yaml.Node) -> Iterator[_Scalar]:
    seen: set[int] = set()
    waiting: list[tuple[yaml.Node, bool]] = [(root, False)]
    while waiting:
        node, in_flow = waiting.pop()
        if id(node) in seen:
            continue  # an alias: it stands elsewhere
        seen.add(id(node))
        match node:
            case yaml.ScalarNode():
                start, end = node.start_mark.index, node.end_mark.index
                properties = _PROPERTIES.match(text, start)
                start = min(properties.end() if properties else start, end)
                # Nothing at all is a value in a block; in a flow collection it may be half of a template's braces.
                if start < end or not in_flow:
                    yield _Scalar(start, end, str(node.value), node.style)
            case yaml.MappingNode():
                waiting += [(value, bool(node.flow_style)) for _, value in node.value]
            case yaml.SequenceNode():
                waiting += [(value, bool(node.flow_style)) for value in node.value]


def _identity(root: yaml.Node | None) -> ObjectId:
    found = _texts(root)
    metadata = _texts(found.get("metadata"))
    words = (found.get("apiVersion"), found.get("kind"), metadata.get("name"), metadata.get("namespace"))
    return ObjectId(*(str(word.value) if isinstance(word, yaml.ScalarNode) else "" for word in words))


def _texts(node: Any) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {str(key.value): value for key, value in node.value if isinstance(key, yaml.ScalarNode)}


def _replacement(text: str, scalar: _Scalar, new: str) -> tuple[str, int]:
    """Return what stands in for a scalar, in its own style, and where the rest of the text goes on."""
    if scalar.is_block:
        return _block(text, scalar, new)
    if scalar.style in {"'", '"'}:
        return f"{scalar.style}{new}{scalar.style}", scalar.end
    plain = f'"{new}"' if _NOT_TEXT.match(new) else new
    return (plain if scalar.start < scalar.end else f" {plain}"), scalar.end


def _block(text: str, scalar: _Scalar, new: str) -> tuple[str, int]:
    """Keep the header of a block scalar, with its comment, its indentation, and the empty lines around its content."""
    header_end = text.index("\n", scalar.start) + 1
    content = text[header_end : scalar.end]
    before = content[: len(content) - len(content.lstrip())]
    return text[scalar.start : header_end] + before + new, header_end + len(content.rstrip())


def _why(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem:
        return str(error.problem)
    return str(getattr(error, "reason", "") or type(error).__name__)
