"""
What a scenario expects of an object: a tree that has to be part of the object's tree.

Mappings match when each of their keys does, lists when they are as long and each element matches, anything else when it
is equal. YAML tags say what a plain tree cannot::

    message: !re '^Helm install failed .*: timed out'   # a regular expression, searched; ${...} is literal
    kubeConfig: !absent                                 # there is no such key (or it is null)
    digest: !present                                    # there is one, whatever it says
    history: !len 2                                     # so many elements
    events: !has [{reason: A}, {reason: B}]             # each matches some element of the list
    reason: !not InstallFailed                          # anything that does not match this

In ``{flow: style}`` a tag without a value needs a space behind it: ``{image: !present }``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any

import yaml

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Re:
    """A text in which the pattern is found."""

    value: str


@dataclass(frozen=True)
class Absent:
    """No value at all."""

    value: Any = None


@dataclass(frozen=True)
class Present:
    """Any value."""

    value: Any = None


@dataclass(frozen=True)
class Len:
    """A list or mapping of so many."""

    value: int


@dataclass(frozen=True)
class Has:
    """A list in which each of these matches some element."""

    value: list[Any]


@dataclass(frozen=True)
class Not:
    """Anything but this."""

    value: Any


_TAGS = {"!re": Re, "!absent": Absent, "!present": Present, "!len": Len, "!has": Has, "!not": Not}


class _Loader(yaml.SafeLoader):
    """YAML with our tags."""


def _construct(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    del suffix
    match node:
        case yaml.MappingNode():
            value: Any = loader.construct_mapping(node, deep=True)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case _:
            # The scalar's own type is found as if it had no tag.
            tag = loader.resolve(yaml.ScalarNode, node.value, (True, False) if node.style is None else (False, True))
            value = loader.construct_object(yaml.ScalarNode(tag, node.value, style=node.style), deep=True)
    return _TAGS[node.tag](value)


for _tag in _TAGS:
    _Loader.add_multi_constructor(_tag, _construct)


def load_all(text: str) -> list[Any]:
    """Read YAML documents with the tags above; empty ones are left out."""
    return [one for one in yaml.load_all(text, _Loader) if one is not None]  # a SafeLoader


def filled(tree: Any, names: dict[str, str]) -> Any:
    """Return the tree with each ``${name}`` replaced; an unknown name is an error of the scenario."""

    def word(match: re.Match[str]) -> str:
        return names[match[1]]

    match tree:
        case str():
            return _PLACEHOLDER.sub(word, tree)
        case dict():
            return {filled(key, names): filled(value, names) for key, value in tree.items()}
        case list():
            return [filled(one, names) for one in tree]
        case Re():
            return Re(_PLACEHOLDER.sub(lambda match: re.escape(names[match[1]]), tree.value))
        case Absent() | Present() | Len():
            return tree
        case Has() | Not():
            return replace(tree, value=filled(tree.value, names))
        case _:
            return tree


def differences(expected: Any, actual: Any, path: str = "") -> list[str]:
    """Return what does not match, one line for each place; empty when all does."""
    match expected:
        case Re():
            return (
                []
                if isinstance(actual, str) and re.search(expected.value, actual, re.DOTALL)
                else _no(path, f"/{expected.value}/", actual)
            )
        case Absent():
            return [] if actual is None else _no(path, "nothing", actual)
        case Present():
            return [] if actual is not None else _no(path, "something", actual)
        case Len():
            return (
                []
                if isinstance(actual, list | dict) and len(actual) == expected.value
                else _no(path, f"{expected.value} elements", actual)
            )
        case Not():
            return [] if differences(expected.value, actual) else _no(path, f"anything but {expected.value}", actual)
        case Has():
            return [line for one in expected.value for line in _in(one, actual, path)]
        case dict():
            if not isinstance(actual, dict):
                return _no(path, "a mapping", actual)
            return [
                line for key, one in expected.items() for line in differences(one, actual.get(key), f"{path}.{key}")
            ]
        case list():
            if not isinstance(actual, list) or len(actual) != len(expected):
                return _no(path, f"{len(expected)} elements {expected}", actual)
            pairs = enumerate(zip(expected, actual, strict=True))
            return [line for index, (one, other) in pairs for line in differences(one, other, f"{path}[{index}]")]
        case _:
            return [] if expected == actual and type(expected) is type(actual) else _no(path, repr(expected), actual)


def _in(one: Any, actual: Any, path: str) -> list[str]:
    elements = actual if isinstance(actual, list) else []
    if isinstance(one, Not):
        found = [other for other in elements if not differences(one.value, other)]
        return _no(path, f"no element like {one.value}", found) if found else []
    return [] if any(not differences(one, other) for other in elements) else _no(path, f"an element like {one}", actual)


def _no(path: str, expected: str, actual: Any) -> list[str]:
    shown = json.dumps(actual, default=str)
    return [f"{path or 'it'}: expected {expected}, found {shown if len(shown) < 2000 else shown[:2000] + '...'}"]
