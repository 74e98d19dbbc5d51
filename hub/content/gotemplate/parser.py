"""Make a tree of a template's tokens. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from hub.content.gotemplate.lexer import Kind, Token, fault, tokens
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
    from collections.abc import Container

    from hub.content.gotemplate.errors import TemplateError

_MAX_DEPTH = 100
"""Parentheses and blocks within each other: more is no commit message."""
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", "'": "'", '"': '"'}
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.DOTALL)


def parse(name: str, source: str, functions: Container[str]) -> Tree:
    """
    Return the tree of a template.

    Raises:
        TemplateError: It is not one, or calls a function that is not in ``functions``.
    """
    return _Parser(name, source, functions).tree()


class _End(NamedTuple):
    """What ended a list of nodes: ``end``, ``else`` or the end of the template; ``word`` follows an ``else``."""

    kind: str
    position: int
    word: str = ""


class _Parser:
    def __init__(self, name: str, source: str, functions: Container[str]) -> None:
        self._name = name
        self._source = source
        self._functions = functions
        self._tokens = list(tokens(name, source))
        self._at = 0
        self._variables = ["$"]
        self._defined: dict[str, tuple[Node, ...]] = {}
        self._loops = 0
        self._depth = 0

    def tree(self) -> Tree:
        body, end = self._list()
        if end.kind != "EOF":
            raise self._fault(f"unexpected {{{{{end.kind}}}}}", end.position)
        return Tree(self._name, self._source, body, self._defined)

    # Tokens

    def _next(self) -> Token:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _next_word(self) -> Token:
        while (token := self._next()).kind is Kind.SPACE:
            pass
        return token

    def _peek_word(self) -> Token:
        while self._peek().kind is Kind.SPACE:
            self._next()
        return self._peek()

    def _expect(self, kind: Kind, context: str) -> Token:
        token = self._next_word()
        if token.kind is not kind:
            raise self._unexpected(token, context)
        return token

    def _fault(self, message: str, position: int) -> TemplateError:
        return fault(self._name, self._source, position, message)

    def _unexpected(self, token: Token, context: str) -> TemplateError:
        return self._fault(f"unexpected {_shown(token)} in {context}", token.position)

    # Text and actions

    def _list(self) -> tuple[tuple[Node, ...], _End]:
        nodes: list[Node] = []
        while (token := self._next()).kind is not Kind.END:
            if token.kind is Kind.TEXT:
                nodes.append(Text(token.position, token.text))
                continue
            found = self._action()
            if isinstance(found, _End):
                return tuple(nodes), found
            if found is not None:
                nodes.append(found)
        return tuple(nodes), _End("EOF", len(self._source))

    def _action(self) -> Node | _End | None:
        token = self._next_word()
        if token.kind is not Kind.KEYWORD:
            self._at -= 1
            pipe = self._pipe("command", Kind.RIGHT)
            return Action(token.position, pipe)
        match token.text:
            case "if" | "with" | "range":
                return self._branch(token)
            case "end":
                self._expect(Kind.RIGHT, "end")
                return _End("end", token.position)
            case "else":
                return self._else(token)
            case "break" | "continue":
                return self._jump(token)
            case "define":
                self._define(token)
                return None
            case "block":
                return self._block(token)
            case _:
                return self._call()

    def _else(self, token: Token) -> _End:
        following = self._peek_word()
        if following.kind is Kind.KEYWORD and following.text in {"if", "with"}:
            self._next()
            return _End("else", token.position, following.text)
        self._expect(Kind.RIGHT, "else")
        return _End("else", token.position)

    def _jump(self, token: Token) -> Jump:
        closing = self._next_word()
        if closing.kind is not Kind.RIGHT:
            raise self._unexpected(closing, f"{{{{{token.text}}}}}")
        if not self._loops:
            raise self._fault(f"{{{{{token.text}}}}} outside {{{{range}}}}", token.position)
        return Jump(token.position, token.text)

    def _branch(self, token: Token) -> Branch:
        self._enter(token)
        known = len(self._variables)
        pipe = self._pipe(token.text, Kind.RIGHT)
        self._loops += token.text == "range"
        body, end = self._list()
        self._loops -= token.text == "range"
        otherwise: tuple[Node, ...] = ()
        if end.kind == "else" and end.word:
            # "else if" is an "if" in the "else", and both end with one "end"; so with "with".
            if end.word != token.text:
                raise self._fault(f"unexpected <{end.word}> in {token.text}", end.position)
            otherwise = (self._branch(Token(Kind.KEYWORD, end.word, end.position)),)
        elif end.kind == "else":
            otherwise, end = self._list()
            if end.kind != "end":
                raise self._fault(f"expected end; found {{{{{end.kind}}}}}", end.position)
        elif end.kind == "EOF":
            raise self._fault("unexpected EOF", end.position)
        del self._variables[known:]
        self._depth -= 1
        return Branch(token.position, token.text, pipe, body, otherwise)

    def _define(self, token: Token) -> None:
        if self._depth:
            raise self._fault("unexpected {{define}}", token.position)
        name = self._string("define clause")
        self._expect(Kind.RIGHT, "define clause")
        self._add(name, token)

    def _block(self, token: Token) -> Call:
        name = self._string("block clause")
        pipe = self._pipe("block clause", Kind.RIGHT)
        self._enter(token)
        self._add(name, token)
        self._depth -= 1
        return Call(token.position, name, pipe)

    def _add(self, name: str, token: Token) -> None:
        """Parse the body of a template within the template; it sees no variable but its own."""
        outer, self._variables = self._variables, ["$"]
        body, end = self._list()
        self._variables = outer
        if end.kind != "end":
            raise self._fault(f"unexpected {end.kind} in {token.text} clause", end.position)
        if name not in self._defined or any(not isinstance(node, Text) or node.text.strip() for node in body):
            self._defined[name] = body

    def _call(self) -> Call:
        position = self._peek_word().position
        name = self._string("template clause")
        if self._peek_word().kind is Kind.RIGHT:
            self._next()
            return Call(position, name, None)
        return Call(position, name, self._pipe("template clause", Kind.RIGHT))

    def _string(self, context: str) -> str:
        token = self._expect(Kind.STRING, context)
        return _unquoted(token.text)

    def _enter(self, token: Token) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._fault("too deeply nested", token.position)

    # Pipelines

    def _pipe(self, context: str, end: Kind) -> Pipe:
        start = self._peek_word()
        variables, assigns = self._bound(context)
        commands: list[Command] = []
        while True:
            token = self._next_word()
            if token.kind is end:
                break
            self._at -= 1
            commands.append(self._command(token))
            if self._peek_word().kind is Kind.PIPE:
                pipe = self._next()
                if self._peek_word().kind is end:
                    raise self._fault(f"missing value for {context}", pipe.position)
        if not commands:
            raise self._fault(f"missing value for {context}", start.position)
        for number, command in enumerate(commands[1:], 2):
            if isinstance(command.words[0], Constant | Dot | Nil):
                raise self._fault(f"non executable command in pipeline stage {number}", command.position)
        return Pipe(start.position, tuple(commands), variables, assigns)

    def _bound(self, context: str) -> tuple[tuple[str, ...], bool]:
        """Read ``$x :=``, ``$x =`` and, in a range, ``$x, $y :=``."""
        before, names = self._at, []
        while (token := self._peek_word()).kind is Kind.VARIABLE:
            self._next()
            names.append(token.text)
            following = self._peek_word()
            if following.kind in {Kind.DECLARE, Kind.ASSIGN}:
                self._next()
                self._bind(names, following, context)
                return tuple(names), following.kind is Kind.ASSIGN
            if following.kind is not Kind.COMMA or context != "range" or len(names) > 1:
                break
            self._next()
        self._at = before
        return (), False

    def _bind(self, names: list[str], token: Token, context: str) -> None:
        if len(names) > 1 and context != "range":
            raise self._fault(f"too many declarations in {context}", token.position)
        if token.kind is Kind.DECLARE:
            self._variables += names
            return
        for name in names:
            self._known(name, token.position)

    def _command(self, start: Token) -> Command:
        words: list[Node] = []
        while True:
            self._peek_word()
            word = self._operand()
            if word is not None:
                words.append(word)
            token = self._next()
            if token.kind is Kind.SPACE:
                if self._peek_word().kind in {Kind.RIGHT, Kind.CLOSE, Kind.PIPE}:
                    break
                continue
            if token.kind in {Kind.RIGHT, Kind.CLOSE, Kind.PIPE}:
                self._at -= 1
                break
            raise self._unexpected(token, "operand")
        if not words:
            raise self._fault("empty command", start.position)
        return Command(words[0].position, tuple(words))

    def _operand(self) -> Node | None:
        node = self._term()
        if node is None or self._peek().kind is not Kind.FIELD:
            return node
        names = []
        while self._peek().kind is Kind.FIELD:
            names.append(self._next().text[1:])
        match node:
            case FieldNode():
                return FieldNode(node.position, (*node.names, *names))
            case Variable():
                return Variable(node.position, node.name, tuple(names))
            case Constant() | Nil() | Dot():
                raise self._fault(f"unexpected . after term {json.dumps(str(node))}", node.position)
        return Chain(node.position, node, tuple(names))

    def _term(self) -> Node | None:
        token = self._next_word()
        match token.kind:
            case Kind.IDENTIFIER:
                if token.text not in self._functions:
                    raise self._fault(f'function "{token.text}" not defined', token.position)
                return Identifier(token.position, token.text)
            case Kind.DOT:
                return Dot(token.position)
            case Kind.NIL:
                return Nil(token.position)
            case Kind.VARIABLE:
                self._known(token.text, token.position)
                return Variable(token.position, token.text)
            case Kind.FIELD:
                return FieldNode(token.position, (token.text[1:],))
            case Kind.BOOL:
                return Constant(token.position, token.text == "true", token.text)
            case Kind.STRING:
                return Constant(token.position, _unquoted(token.text), token.text)
            case Kind.CHARACTER:
                return self._character(token)
            case Kind.NUMBER:
                return self._number(token)
            case Kind.OPEN:
                self._enter(token)
                pipe = self._pipe("parenthesized pipeline", Kind.CLOSE)
                self._depth -= 1
                return pipe
        self._at -= 1
        return None

    def _known(self, name: str, position: int) -> None:
        if name not in self._variables:
            raise self._fault(f'undefined variable "{name}"', position)

    def _number(self, token: Token) -> Constant:
        text = token.text.replace("_", "").lower()
        try:
            # A leading zero is octal in Go.
            octal = re.fullmatch(r"([+-]?)0([0-7]+)", text)
            value: int | float = int(octal[1] + octal[2], 8) if octal else int(text, 0)
        except ValueError:
            try:
                value = float(text)
            except ValueError:
                raise self._fault(f'bad number syntax: "{token.text}"', token.position) from None
            # A whole float is an integer where one is needed: a constant has no type of its own.
            return Constant(token.position, value, token.text)
        return Constant(token.position, value, token.text)

    def _character(self, token: Token) -> Constant:
        text = _unquoted(token.text)
        if len(text) != 1:
            raise self._fault(f"malformed character constant: {token.text}", token.position)
        return Constant(token.position, ord(text), token.text)


def _unquoted(text: str) -> str:
    inner = text[1:-1]
    return inner.replace("\r", "") if text.startswith("`") else _ESCAPE.sub(_unescaped, inner)


def _unescaped(match: re.Match[str]) -> str:
    if coded := match[1] or match[2] or match[3]:
        return chr(int(coded, 16))
    if match[4]:
        return chr(int(match[4], 8))
    return _ESCAPES.get(match[5], match[0])


def _shown(token: Token) -> str:
    if token.kind is Kind.END:
        return "EOF"
    if token.kind is Kind.KEYWORD:
        return f"<{token.text}>"
    return json.dumps(token.text)
