"""Effects on objects as lines for people: what is created, changed, deleted or refused. Secrets are masked. Pure."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hub.release.jsondiff import Operation
    from hub.release.preview import Effect

_GLYPHS = {"created": "+", "changed": "~", "deleted": "-", "refused": "!"}
_COLOURS = {"created": "green", "changed": "yellow", "deleted": "red", "refused": "red"}
_MASK = "(hidden)"
_SECRET_PARTS = ("/data", "/stringData")
_LONGEST = 80  # characters of a value
ORDER = ("created", "changed", "deleted", "refused")


def lines_of(effects: Iterable[Effect]) -> list[str]:
    """Return the effects as lines, an object first and what changes in it below."""
    from hub.cli.output import styled

    lines = []
    for effect in effects:
        problem = f": {effect.problem}" if effect.problem else ""
        head = f"  {_GLYPHS[effect.verb]} {effect.ref} {effect.verb}{problem}"
        lines.append(styled(head, fg=_COLOURS[effect.verb]))
        lines += [f"      {one}" for operation in effect.operations for one in _changes(effect, operation)]
    return lines


def counted(effects: Iterable[Effect]) -> str:
    """Return how many objects are affected in which way: ``1 created, 2 changed``."""
    counts: Counter[str] = Counter(effect.verb for effect in effects)
    return ", ".join(f"{counts[verb]} {verb}" for verb in ORDER if counts[verb]) or "no change"


def hidden(item: dict[str, Any]) -> dict[str, Any]:
    """Return an object as anybody may read it: of a Secret only the keys."""
    if item.get("kind") != "Secret":
        return item
    masked = {part: dict.fromkeys(item[part] or {}, _MASK) for part in ("data", "stringData") if part in item}
    return item | masked


def _changes(effect: Effect, operation: Operation) -> list[str]:
    is_secret = effect.ref.kind == "Secret" and operation.path.startswith(_SECRET_PARTS)
    before, after = _at(effect.before, operation.path), operation.value
    if is_secret and operation.path in _SECRET_PARTS:
        before, after = _keys(before), _keys(after)
    shown = [_MASK if is_secret else _shown(one) for one in (before, after)]
    where = dotted(operation.path)
    match operation.op:
        case "add":
            return [f"{where}: + {shown[1]}"]
        case "remove":
            return [f"{where}: - {shown[0]}"]
        case _:
            return [f"{where}: {shown[0]} → {shown[1]}"]


def dotted(pointer: str) -> str:
    """Return a JSON pointer as people write paths: ``spec.containers[0].image``."""
    path = ""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if key.isdigit() or key == "-":
            path += f"[{'+' if key == '-' else key}]"
        elif "." in key or "/" in key:
            path += f"['{key}']"
        else:
            path += f".{key}" if path else key
    return path


def _at(document: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document.get(key)
        elif isinstance(document, list) and key.isdigit() and int(key) < len(document):
            document = document[int(key)]
        else:
            return None
    return document


def _keys(value: Any) -> Any:
    return sorted(value) if isinstance(value, dict) else value


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) and value and value.isprintable() else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
