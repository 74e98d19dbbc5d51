"""Render a tree with data, as Go's ``text/template`` does. Pure; bounded in steps, depth and output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.content.gotemplate.data import NO_VALUE, Struct, ordered, show, truth, type_name
from hub.content.gotemplate.errors import FunctionError, TemplateError
from hub.content.gotemplate.function import Function, checked, constant
from hub.content.gotemplate.nodes import (
    Action,
    Branch,
    Call,
    Chain,
    Command,
    Constant,
    Dot,
    FieldNode,
    Identifier,
    Jump,
    Nil,
    Node,
    Pipe,
    Text,
    Tree,
    Variable,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MAX_OUTPUT = 1 << 20
"""Characters: the commit message of a template that runs wild is refused before it fills memory."""
_MAX_STEPS = 1_000_000
_MAX_DEPTH = 100
_MISSING = object()
"""There is no value of an earlier command to pass on."""


class _Jumped(Exception):
    def __init__(self, word: str) -> None:
        self.word = word


class Evaluation:
    """One rendering of a template."""

    def __init__(self, tree: Tree, functions: Mapping[str, Function], data: Any) -> None:
        self._tree = tree
        self._functions = functions
        self._data = data
        self._out: list[str] = []
        self._size = 0
        self._steps = 0
        self._depth = 0
        self._template = tree.name
        self._at: Node = Dot(0)
        self._variables: list[tuple[str, Any]] = [("$", data)]

    def render(self) -> str:
        """
        Return the output.

        Raises:
            TemplateError: Something cannot be evaluated.
        """
        try:
            self._walk_all(self._data, self._tree.body)
        except (FunctionError, RecursionError, OverflowError, MemoryError) as error:
            raise self._failure(str(error) or type(error).__name__) from error
        return "".join(self._out)

    # Output and errors

    def _write(self, text: str) -> None:
        self._size += len(text)
        if self._size > MAX_OUTPUT:
            raise self._failure(f"the output is longer than {MAX_OUTPUT} characters")
        self._out.append(text)

    def _failure(self, message: str) -> TemplateError:
        before = self._tree.source[: self._at.position]
        where = f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10)) - 1}"
        return TemplateError(
            f'template: {self._tree.name}:{where}: executing "{self._template}" at <{self._at}>: {message}'
        )

    def _step(self) -> None:
        self._steps += 1
        if self._steps > _MAX_STEPS:
            raise self._failure("the template does not come to an end")

    # Nodes

    def _walk_all(self, dot: Any, nodes: Iterable[Node]) -> None:
        for node in nodes:
            self._walk(dot, node)

    def _walk(self, dot: Any, node: Node) -> None:
        self._step()
        match node:
            case Text():
                self._write(node.text)
            case Action():
                value = self._pipe(dot, node.pipe)
                if not node.pipe.variables:
                    self._write(printed(value))
            case Branch():
                self._branch(dot, node)
            case Call():
                self._call(dot, node)
            case Jump():
                raise _Jumped(node.word)

    def _branch(self, dot: Any, node: Branch) -> None:
        known = len(self._variables)
        self._deeper(node)
        try:
            if node.word == "range":
                self._range(dot, node)
                return
            value = self._pipe(dot, node.pipe)
            if truth(value):
                self._walk_all(value if node.word == "with" else dot, node.body)
            else:
                self._walk_all(dot, node.otherwise)
        finally:
            self._depth -= 1
            del self._variables[known:]

    def _range(self, dot: Any, node: Branch) -> None:
        value = self._pipe(dot, node.pipe, declare=False)
        pairs = self._pairs(value)
        if not pairs:
            self._walk_all(dot, node.otherwise)
        known = len(self._variables)
        for key, item in pairs:
            self._step()
            self._bind(node.pipe, key, item, alone=isinstance(value, int))
            try:
                self._walk_all(item, node.body)
            except _Jumped as jump:
                if jump.word == "break":
                    break
            finally:
                del self._variables[known:]

    def _pairs(self, value: Any) -> Sequence[tuple[Any, Any]]:
        if value is None or value is NO_VALUE:
            return []
        if isinstance(value, list | tuple):
            return list(enumerate(value))
        if isinstance(value, dict):
            return [(key, value[key]) for key in ordered(value)]
        if isinstance(value, int) and not isinstance(value, bool):
            if value > _MAX_STEPS:
                raise self._failure("the template does not come to an end")
            return [(number, number) for number in range(value)]
        raise self._failure(f"range can't iterate over {show(value)}")

    def _bind(self, pipe: Pipe, key: Any, item: Any, *, alone: bool) -> None:
        names = pipe.variables
        if len(names) == 2 and alone:
            raise self._failure("can't use more than one iteration variable when ranging over an integer")
        values = [item] if len(names) == 1 else [key, item]
        for name, value in zip(names, values, strict=False):
            if pipe.assigns:
                self._assign(name, value)
            else:
                self._variables.append((name, value))

    def _call(self, dot: Any, node: Call) -> None:
        self._at = node.pipe or Identifier(node.position, f"template {node.name}")
        body = self._tree.defined.get(node.name)
        if body is None and node.name != self._tree.name:
            raise self._failure(f'template "{node.name}" not defined')
        value = self._pipe(dot, node.pipe) if node.pipe else None
        self._deeper(node)
        outer, variables = self._template, self._variables
        self._template, self._variables = node.name, [("$", value)]
        self._walk_all(value, self._tree.body if body is None else body)
        self._template, self._variables = outer, variables
        self._depth -= 1

    def _deeper(self, node: Node) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            self._at = node if not isinstance(node, Branch | Call) else self._at
            raise self._failure(f"exceeded maximum template depth ({_MAX_DEPTH})")

    # Pipelines

    def _pipe(self, dot: Any, pipe: Pipe, *, declare: bool = True) -> Any:
        self._at = pipe
        value: Any = _MISSING
        for command in pipe.commands:
            value = self._command(dot, command, value)
        if declare:
            for name in pipe.variables:
                if pipe.assigns:
                    self._assign(name, value)
                else:
                    self._variables.append((name, value))
        return value

    def _assign(self, name: str, value: Any) -> None:
        for number in range(len(self._variables) - 1, -1, -1):
            if self._variables[number][0] == name:
                self._variables[number] = (name, value)
                return
        raise self._failure(f"undefined variable: {name}")

    def _command(self, dot: Any, command: Command, final: Any) -> Any:
        first, words = command.words[0], command.words[1:]
        self._step()
        match first:
            case FieldNode() | Chain() | Variable():
                return self._plain(dot, first, words, final)
            case Identifier():
                return self._function(dot, first, words, final)
        self._at = first
        if words or final is not _MISSING:
            raise self._failure(f"can't give argument to non-function {first}")
        if isinstance(first, Nil):
            raise self._failure("nil is not a command")
        return self._value(dot, first)

    def _plain(self, dot: Any, first: Node, words: tuple[Node, ...], final: Any) -> Any:
        value = self._value(dot, first)
        if words or final is not _MISSING:
            name = str(first).rpartition(".")[2]
            self._at = first
            raise self._failure(f"{name} is not a method but has arguments")
        return value

    def _value(self, dot: Any, node: Node) -> Any:
        """Evaluate something without arguments."""
        self._at = node
        match node:
            case Dot():
                return dot
            case Nil():
                return None
            case Constant():
                return node.value
            case FieldNode():
                return self._fields(dot, node.names)
            case Variable():
                return self._fields(self._variable(node.name), node.names)
            case Chain():
                value = self._value(dot, node.of)
                self._at = node
                return self._fields(value, node.names)
            case Pipe():
                return self._pipe(dot, node)
            case Identifier():
                return self._function(dot, node, (), _MISSING)
        raise self._failure(f"can't handle {node}")

    def _variable(self, name: str) -> Any:
        for known, value in reversed(self._variables):
            if known == name:
                return value
        raise self._failure(f"undefined variable: {name}")

    def _fields(self, value: Any, names: tuple[str, ...]) -> Any:
        for name in names:
            value = self._field(value, name)
        return value

    def _field(self, value: Any, name: str) -> Any:
        if value is NO_VALUE:
            return NO_VALUE
        if value is None:
            raise self._failure(f"nil pointer evaluating interface {{}}.{name}")
        if isinstance(value, dict):
            return value.get(name, NO_VALUE)
        if isinstance(value, Struct) and name in value.fields:
            return value.fields[name]
        raise self._failure(f"can't evaluate field {name} in type {type_name(value)}")

    # Functions

    def _function(self, dot: Any, node: Identifier, words: tuple[Node, ...], final: Any) -> Any:
        self._at = node
        name, function = node.name, self._functions[node.name]
        function.check_count(name, len(words) + (final is not _MISSING))
        if name in {"and", "or"}:
            return self._short(dot, node, words, final)
        arguments = [self._argument(dot, word, function.expects(number)) for number, word in enumerate(words)]
        if final is not _MISSING:
            arguments.append(checked(final, function.expects(len(words))))
        self._at = node
        try:
            return function.call(*arguments)
        except FunctionError as error:
            raise self._failure(f"error calling {name}: {error}") from error

    def _short(self, dot: Any, node: Identifier, words: tuple[Node, ...], final: Any) -> Any:
        """``and`` and ``or`` evaluate no more than they need."""
        value: Any = NO_VALUE
        for word in words:
            value = self._argument(dot, word, object)
            if truth(value) == (node.name == "or"):
                return value
        return value if final is _MISSING else final

    def _argument(self, dot: Any, node: Node, kind: type) -> Any:
        self._at = node
        if isinstance(node, Constant):
            return constant(node.value, node.source, kind)
        if isinstance(node, Nil):
            if kind in {object, list, dict}:
                return checked(None, kind)
            raise self._failure(f"cannot assign nil to {kind.__name__}")
        value = self._value(dot, node)
        self._at = node
        return checked(value, kind)


def printed(value: Any) -> str:
    """Return what an action prints of a value."""
    return "<no value>" if value is None or value is NO_VALUE else show(value)
