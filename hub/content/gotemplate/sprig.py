"""
The functions that Flux gives to commit messages: Sprig's hermetic ones. Pure.

Left out are what would make two renderings differ (clock, random, environment, network) and what has no place in a
message: keys, certificates and password hashes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import posixpath
import zlib
from typing import Any

from hub.content.gotemplate.collections import COLLECTIONS
from hub.content.gotemplate.data import Struct, kind_name, show, truth, type_name
from hub.content.gotemplate.errors import FunctionError
from hub.content.gotemplate.function import Function
from hub.content.gotemplate.numbers import NUMBERS
from hub.content.gotemplate.texts import TEXTS
from hub.content.semver import BadConstraint, Constraint, parse_version

_HTML = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def _default(default: Any, *given: Any) -> Any:
    return given[0] if given and truth(given[0]) else default


def _coalesce(*values: Any) -> Any:
    return next((value for value in values if truth(value)), None)


def _fail(message: str) -> Any:
    raise FunctionError(message)


def _ternary(yes: Any, no: Any, condition: bool) -> Any:  # noqa: FBT001  the order is Sprig's
    return yes if condition else no


def _data(value: Any) -> Any:
    """Return a value as JSON data."""
    if isinstance(value, Struct):
        return {name: _data(item) for name, item in value.printed}
    if isinstance(value, list | tuple):
        return [_data(item) for item in value]
    if isinstance(value, dict):
        return {show(key): _data(item) for key, item in value.items()}
    return value


def _to_json(value: Any, *, raw: bool = False, indent: int | None = None) -> str:
    separators = (",", ": ") if indent else (",", ":")
    text = json.dumps(_data(value), ensure_ascii=False, sort_keys=True, separators=separators, indent=indent)
    return text if raw else "".join(_HTML.get(one, one) for one in text)


def _from_json(text: str) -> Any:
    try:
        return json.loads(text, parse_int=float)  # numbers of interface{} are float64
    except ValueError as error:
        raise FunctionError(f"invalid JSON: {error}") from error


def _from_json_or_nil(text: str) -> Any:
    try:
        return _from_json(text)
    except FunctionError:
        return None


def _decode(decode: Any, text: str) -> str:
    try:
        return bytes(decode(text)).decode("utf-8", "replace")
    except (binascii.Error, ValueError) as error:
        return str(error)


def _hash(name: str, text: str) -> str:
    return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()


def _semver(text: str) -> Struct:
    version = parse_version(text)
    if version is None:
        raise FunctionError("Invalid Semantic Version")
    parts = {
        "Major": version.major,
        "Minor": version.minor,
        "Patch": version.patch,
        "Prerelease": version.prerelease or "",
        "Metadata": version.build or "",
        "Original": text,
    }
    return Struct("*semver.Version", parts, text=str(version))


def _semver_compare(constraint: str, text: str) -> bool:
    try:
        within = Constraint(constraint)
    except BadConstraint as error:
        raise FunctionError(str(error)) from error
    version = parse_version(text)
    if version is None:
        raise FunctionError("Invalid Semantic Version")
    return within.matches(version)


def _extension(path: str) -> str:
    name = posixpath.basename(path)
    return name[name.rindex(".") :] if "." in name else ""


SPRIG: dict[str, Function] = {
    "adler32sum": Function(lambda text: str(zlib.adler32(text.encode())), (str,)),
    "all": Function(lambda *values: all(map(truth, values)), (), object),
    "any": Function(lambda *values: any(map(truth, values)), (), object),
    "b32dec": Function(lambda text: _decode(base64.b32decode, text), (str,)),
    "b32enc": Function(lambda text: base64.b32encode(text.encode()).decode(), (str,)),
    "b64dec": Function(lambda text: _decode(base64.b64decode, text), (str,)),
    "b64enc": Function(lambda text: base64.b64encode(text.encode()).decode(), (str,)),
    "base": Function(lambda path: posixpath.basename(path.rstrip("/")) or ("/" if path else "."), (str,)),
    "clean": Function(lambda path: posixpath.normpath(path) if path else ".", (str,)),
    "coalesce": Function(_coalesce, (), object),
    "deepEqual": Function(lambda a, b: a == b and type_name(a) == type_name(b), (object, object)),
    "default": Function(_default, (object,), object),
    "dir": Function(lambda path: posixpath.normpath(posixpath.dirname(path) or "."), (str,)),
    "empty": Function(lambda value: not truth(value), (object,)),
    "ext": Function(_extension, (str,)),
    "fail": Function(_fail, (str,)),
    "fromJson": Function(_from_json_or_nil, (str,)),
    "isAbs": Function(posixpath.isabs, (str,)),
    "kindIs": Function(lambda kind, value: kind_name(value) == kind, (str, object)),
    "kindOf": Function(kind_name, (object,)),
    "mustFromJson": Function(_from_json, (str,)),
    "mustToJson": Function(_to_json, (object,)),
    "mustToPrettyJson": Function(lambda value: _to_json(value, indent=2), (object,)),
    "mustToRawJson": Function(lambda value: _to_json(value, raw=True), (object,)),
    "semver": Function(_semver, (str,)),
    "semverCompare": Function(_semver_compare, (str, str)),
    "sha1sum": Function(lambda text: _hash("sha1", text), (str,)),
    "sha256sum": Function(lambda text: _hash("sha256", text), (str,)),
    "sha512sum": Function(lambda text: _hash("sha512", text), (str,)),
    "ternary": Function(_ternary, (object, object, bool)),
    "toJson": Function(_to_json, (object,)),
    "toPrettyJson": Function(lambda value: _to_json(value, indent=2), (object,)),
    "toRawJson": Function(lambda value: _to_json(value, raw=True), (object,)),
    "toString": Function(show, (object,)),
    "typeIs": Function(lambda name, value: type_name(value) == name, (str, object)),
    "typeIsLike": Function(lambda name, value: type_name(value) in {name, f"*{name}"}, (str, object)),
    "typeOf": Function(type_name, (object,)),
}
SPRIG |= TEXTS | NUMBERS | COLLECTIONS
