"""A template that can be rendered many times. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.content.gotemplate.builtins import BUILTINS
from hub.content.gotemplate.evaluate import Evaluation
from hub.content.gotemplate.parser import parse
from hub.content.gotemplate.sprig import SPRIG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.content.gotemplate.function import Function

FUNCTIONS: Mapping[str, Function] = BUILTINS | SPRIG  # Sprig has a "slice" of its own


class Template:
    """
    A parsed template.

    Args:
        name: What errors call it.
        source: Its text.

    Raises:
        TemplateError: The text is not a template.
    """

    def __init__(self, name: str, source: str) -> None:
        self._tree = parse(name, source, FUNCTIONS)

    def render(self, data: Any) -> str:
        """
        Return the output for some data.

        Raises:
            TemplateError: It cannot be rendered; the message says where and why.
        """
        return Evaluation(self._tree, FUNCTIONS, data).render()
