"""What can go wrong with a template, in the words of Go. Pure."""

from __future__ import annotations


class TemplateError(ValueError):
    """A template cannot be parsed or rendered; the message has Go's form, ``template: <name>:<line>:...``."""


class FunctionError(ValueError):
    """A function of a template refuses its arguments; the evaluator says where."""
