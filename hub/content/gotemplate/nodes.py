"""
A parsed template. Pure.

``str(node)`` is what Go prints of it in errors: ``executing "x" at <.Values.image>: ...``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Node:
    """A part of a template; ``position`` counts characters from its start."""

    position: int


@dataclass(frozen=True, slots=True)
class Text(Node):
    """Goes to the output as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Dot(Node):
    """The current value."""

    def __str__(self) -> str:
        return "."


@dataclass(frozen=True, slots=True)
class Nil(Node):
    """The word ``nil``."""

    def __str__(self) -> str:
        return "nil"


@dataclass(frozen=True, slots=True)
class Constant(Node):
    """A boolean, number, string or character; ``source`` is how it was written."""

    value: Any
    source: str

    def __str__(self) -> str:
        return self.source


@dataclass(frozen=True, slots=True)
class FieldNode(Node):
    """``.A.B``: fields of the current value."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return "".join(f".{name}" for name in self.names)


@dataclass(frozen=True, slots=True)
class Variable(Node):
    """``$x.A``: a variable and fields of it."""

    name: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ".".join((self.name, *self.names))


@dataclass(frozen=True, slots=True)
class Identifier(Node):
    """The name of a function."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Chain(Node):
    """``(pipeline).A.B``: fields of what something else gives."""

    of: Node
    names: tuple[str, ...]

    def __str__(self) -> str:
        inner = f"({self.of})" if isinstance(self.of, Pipe) else str(self.of)
        return inner + "".join(f".{name}" for name in self.names)


@dataclass(frozen=True, slots=True)
class Command(Node):
    """A function, field or value, and its arguments."""

    words: tuple[Node, ...]

    def __str__(self) -> str:
        return " ".join(f"({word})" if isinstance(word, Pipe) else str(word) for word in self.words)


@dataclass(frozen=True, slots=True)
class Pipe(Node):
    """
    Commands, each of which gets the result of the one before as its last argument.

    Attributes:
        variables: What the result is bound to: at most one, two in a range.
        assigns: The variables are there already.
    """

    commands: tuple[Command, ...]
    variables: tuple[str, ...] = ()
    assigns: bool = False

    def __str__(self) -> str:
        bound = f"{', '.join(self.variables)} {'=' if self.assigns else ':='} " if self.variables else ""
        return bound + " | ".join(str(command) for command in self.commands)


@dataclass(frozen=True, slots=True)
class Action(Node):
    """``{{pipeline}}``: prints, unless it declares."""

    pipe: Pipe


@dataclass(frozen=True, slots=True)
class Branch(Node):
    """``if``, ``with`` and ``range`` with their ``else``."""

    word: str
    pipe: Pipe
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Jump(Node):
    """``break`` and ``continue``."""

    word: str


@dataclass(frozen=True, slots=True)
class Call(Node):
    """``template "name" pipeline``."""

    name: str
    pipe: Pipe | None


@dataclass(frozen=True, slots=True)
class Tree:
    """A template and those that it defines."""

    name: str
    source: str
    body: tuple[Node, ...]
    defined: dict[str, tuple[Node, ...]] = field(default_factory=dict)
