"""
The base of every API model: how a field is declared, read leniently and written back.

A model describes two things at once. Reading is lenient, as Go's decoding is: unknown fields are dropped, missing ones
get an empty value, enums (:data:`Lenient`) and patterns are not enforced, because an object that an older rule let in
must not break a list. Strictness is the API server's: what :func:`about` says of a field becomes the schema of the CRD.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, TypeVar, overload

from pydantic import BaseModel, ConfigDict, Field
from pydantic import SkipValidation as Lenient
from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Cel", "Lenient", "Model", "about", "flag", "is_required", "plain"]

T = TypeVar("T")


class Cel(NamedTuple):
    """A rule over one object that the API server checks (``x-kubernetes-validations``)."""

    rule: str
    message: str


@overload
def about(
    text: str, default: T, *, required: bool = ..., defaulted: bool = ..., alias: str | None = ..., **schema: Any
) -> T: ...
@overload
def about(
    text: str, *, factory: Callable[[], T], required: bool = ..., alias: str | None = ..., **schema: Any
) -> T: ...
def about(  # the overloads above are the signature
    text: str,
    default: Any = None,
    *,
    factory: Callable[[], Any] | None = None,
    required: bool = False,
    defaulted: bool = False,
    alias: str | None = None,
    **schema: Any,
) -> Any:
    """
    Declare a field.

    Args:
        text: What the field does; becomes its description in the CRD.
        default: Value when the object does not have the field.
        factory: Makes that value when it is mutable.
        required: The API server refuses objects without it. (Reading still gives the default.)
        defaulted: The API server writes the default into the object.
        alias: Name in the object when it is not the camelCase of the attribute.
        schema: Further keywords of the OpenAPI schema, e.g. ``pattern`` or ``maxLength``.
    """
    extra: dict[str, Any] = {"required": required, "defaulted": defaulted, "schema": schema}
    if factory is not None:
        return Field(default_factory=factory, description=text, alias=alias, json_schema_extra=extra)
    return Field(default, description=text, alias=alias, json_schema_extra=extra)


def flag(text: str, *, alias: str | None = None) -> bool:
    """Declare a switch that is off unless the object says otherwise."""
    return about(text, default=False, alias=alias)


class Model(BaseModel):
    """
    An API object or a part of one: snake_case attributes, camelCase in the object.

    ``RULES`` are CEL rules of the CRD over this object.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", defer_build=True)

    RULES: ClassVar[tuple[Cel, ...]] = ()
    __test__: ClassVar[bool] = False  # "Test" is a word of the API, not of pytest

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        """
        Return the model of an object.

        Raises:
            pydantic.ValidationError: (a ValueError) A field has another JSON type than it can have.
        """
        return cls.model_validate(raw)

    def dump(self) -> dict[str, Any]:
        """
        Return the object as plain JSON data.

        A field is left out when it is None, when it is an optional text that is empty, or when nobody set it and it
        still has its default: what was read is written back, what the API server would refuse as empty is not.
        """
        given = self.model_fields_set
        out: dict[str, Any] = {}
        for name, alias, default, required in _layout(type(self)):
            value = getattr(self, name)
            if value is None or (value == "" and default == "" and not required):
                continue
            if name in given:
                out[alias] = plain(value)
            elif value != default and (data := plain(value)) not in ({}, []):
                out[alias] = data
        return out


def plain(value: Any) -> Any:
    """Return a value as JSON data: models as mappings, subclasses of ``str`` as ``str``."""
    if isinstance(value, Model):
        return value.dump()
    if isinstance(value, str):
        return str(value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


@cache
def _layout(model: type[Model]) -> tuple[tuple[str, str, Any, bool], ...]:
    """Name, alias, default and requiredness of each field."""
    return tuple(
        (name, field.alias or name, field.default, is_required(field.json_schema_extra))
        for name, field in model.model_fields.items()
    )


def is_required(extra: Any) -> bool:
    """Tell whether a field was declared as required by :func:`about`."""
    return isinstance(extra, dict) and bool(extra.get("required"))
