"""What can be wrong with a private key; apart from what signs with one, which brings megabytes that few hubs need."""

from __future__ import annotations


class BadKeyError(ValueError):
    """A key that cannot sign; the message says why and never shows it."""
