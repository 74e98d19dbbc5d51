"""
Values as layers that lie on each other. Pure.

A layer is a mapping, which is merged over what lies below it, or one value for one path (``targetPath``). The inline
values are the last layer, with one turn that Flux has too: before a path is assigned, the inline values are merged in,
and at the end they are merged in once more. An assignment below a mapping that came from the inline values alone
changes that mapping itself and so stays; any other assignment to what the inline values set is undone by the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hub.content import strvals
from hub.content.goyaml import MAX_DEPTH
from hub.content.values import ValuesError, merge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_QUOTES = "'\""


@dataclass(frozen=True, slots=True)
class Layer:
    """
    What one place contributes.

    Attributes:
        name: Of the place, as people know it.
        values: A mapping to merge; empty for an assignment.
        path: Where ``text`` goes, in the language of ``helm --set``; empty for a mapping.
        literal: Take ``text`` as it is.
        secret: The values are nobody's business.
        origin: What an error about an assignment calls the place.
    """

    name: str
    values: dict[str, Any] = field(default_factory=dict, repr=False)
    path: str = ""
    text: str = field(default="", repr=False)
    literal: bool = False
    secret: bool = False
    origin: str = ""


def combine(layers: Sequence[Layer], inline: Layer) -> dict[str, Any]:
    """Return the values of all layers, of which none is changed; raises as :func:`steps`."""
    *_, (_, values) = steps(layers, inline)
    return values


def steps(layers: Sequence[Layer], inline: Layer) -> Iterator[tuple[Layer, dict[str, Any]]]:
    """
    Yield each layer as it takes effect, and the values from then on; later steps may change these in place.

    Raises:
        AssignmentError: A path does not lead anywhere.
        ValuesError: Values are nested too deep.
    """
    own = copied(inline.values)
    is_assigned = any(layer.path for layer in layers)
    values: dict[str, Any] = {}
    for layer in layers:
        if layer.path:
            values = merge(values, own)
            yield inline, values
            _assign(layer, values)
        else:
            # An assignment must not reach into values that somebody else holds.
            values = merge(values, copied(layer.values) if is_assigned else layer.values)
        yield layer, values
    yield inline, merge(values, own)


class AssignmentError(ValuesError):
    """The value of a layer cannot be put at its path."""

    def __init__(self, layer: Layer, why: str) -> None:
        super().__init__(why)
        self.layer = layer


def _assign(layer: Layer, values: dict[str, Any]) -> None:
    """Put the layer's value at its path. What Flux does with quotes: all at both ends go, and it stays text."""
    text = layer.text
    quoted = any(text.startswith(quote) and text.endswith(quote) for quote in _QUOTES)
    try:
        if layer.literal:
            strvals.assign_literal(layer.path, text, values)
        elif quoted:
            strvals.assign(f"{layer.path}={text.strip(_QUOTES)}", values, text=True)
        else:
            strvals.assign(f"{layer.path}={text}", values)
    except strvals.StrvalsError as error:
        raise AssignmentError(layer, _explain(layer, error)) from error


def _explain(layer: Layer, error: strvals.StrvalsError) -> str:
    if error.at <= len(layer.path) + 1:
        return f"targetPath '{layer.path}': {error}"
    # From here on the error speaks of the data.
    why = "the data is not a value of 'helm --set'" if layer.secret else f"{error}"
    return f"targetPath '{layer.path}': {why}; set 'literal: true' to take the data as it is"


def copied(value: Any, depth: int = 0) -> Any:
    """
    Return a deep copy of JSON data.

    Raises:
        ValuesError: It is nested too deep.
    """
    if depth > MAX_DEPTH:
        raise ValuesError(f"values are nested more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        return {key: copied(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item, depth + 1) for item in value]
    return value
