"""
Turn a model into the structural OpenAPI v3 schema of a CRD: no references, no alternatives, no null. Pure.

What a field may hold comes from its annotation, the rest from what :func:`hub.api.model.about` was told.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from hub.api.duration import Duration
from hub.api.model import Model, is_required, plain

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

_SIMPLE: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer", "format": "int64"},
    Duration: {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"},
    Any: {"x-kubernetes-preserve-unknown-fields": True},
}


def schema(model: type[Model]) -> dict[str, Any]:
    """Return the schema of an object that the model describes."""
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    out: dict[str, Any] = {"type": "object"}
    if model.__doc__:
        out["description"] = " ".join(model.__doc__.split())
    if required := sorted(alias for alias, field in fields.items() if is_required(field.json_schema_extra)):
        out["required"] = required
    out["properties"] = {alias: _property(fields[alias]) for alias in sorted(fields)}
    if model.RULES:
        out["x-kubernetes-validations"] = [rule._asdict() for rule in model.RULES]
    return out


def _property(field: FieldInfo) -> dict[str, Any]:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    out = {**_value(field.annotation), "description": field.description}
    if extra.get("defaulted"):
        out["default"] = plain(field.default)
    declared = extra.get("schema")
    return out | declared if isinstance(declared, dict) else out


def _value(annotation: Any) -> dict[str, Any]:
    """Return the schema of a value by its type."""
    bare = _bare(annotation)
    if bare in _SIMPLE:
        return dict(_SIMPLE[bare])
    if isinstance(bare, type) and issubclass(bare, Model):
        return schema(bare)
    origin, args = get_origin(bare), get_args(bare)
    if origin is Literal:
        return {"type": "string", "enum": list(args)}
    if origin is list:
        return {"type": "array", "items": _value(args[0])}
    if origin is dict:
        # Free-form data may be anything that YAML can say; its reader says what it cannot take.
        return _value(Any) if args[1] is Any else {"type": "object", "additionalProperties": _value(args[1])}
    raise TypeError(f"a CRD schema cannot express {annotation!r}")


def _bare(annotation: Any) -> Any:
    """Return the type without annotations and without ``| None``."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        some = [arg for arg in get_args(annotation) if arg is not type(None)]
        return _bare(some[0]) if len(some) == 1 else annotation
    return annotation
