"""All kinds of the hub (:mod:`hub.api.kinds`), with the models of their objects. Pure."""

from __future__ import annotations

from hub.api import fleet, helm, image, notification, repositories, source
from hub.api.kind import Column, Kind, Version
from hub.api.kinds import KINDS, kind_for, kind_named

__all__ = ["KINDS", "MODULES", "Column", "Kind", "Version", "kind_for", "kind_named"]

MODULES = (source, repositories, helm, image, notification, fleet)
"""Where the models are; importing them tells each kind its model."""
