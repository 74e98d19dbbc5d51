"""
The language of Go's ``text/template``, with the hermetic functions of Sprig. Pure.

Only the language is here: :mod:`~hub.content.gotemplate.lexer` -> :mod:`~hub.content.gotemplate.parser` ->
:mod:`~hub.content.gotemplate.nodes` -> :mod:`~hub.content.gotemplate.evaluate`, and the functions that templates call.
What is rendered, and with which data, is the caller's business. Rendering is bounded in steps, depth and output: the
templates are written by users.
"""

from __future__ import annotations

from hub.content.gotemplate.data import Struct
from hub.content.gotemplate.errors import TemplateError
from hub.content.gotemplate.template import Template

__all__ = ["Struct", "Template", "TemplateError"]
