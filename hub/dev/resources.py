"""Find the folders that travel beside the package in a checkout and inside it in an installed wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).resolve().parent.parent


def resource(name: Literal["tools", "crds", "charts"]) -> Path:
    """
    Return the folder ``name``: that of the checkout if this is one, else that of the wheel.

    Raises:
        FileNotFoundError: The installation lacks it.
    """
    in_checkout = (_PACKAGE.parent / "pyproject.toml").is_file()
    folder = _PACKAGE.parent / name if in_checkout else _PACKAGE / "_data" / name
    if not folder.is_dir():
        raise FileNotFoundError(f"this installation of hubctl has no {name}/ folder ({folder}); install it again")
    return folder
