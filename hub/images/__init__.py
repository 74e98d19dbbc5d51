"""
Image automation: which tags a registry has, which of them is the latest, and the commit that says so.

What may live here: the controllers of ImageRepository, ImagePolicy and ImageUpdateAutomation, and what only they need.
The bytes of Git and registries are :mod:`hub.content`'s business. Follows the Flux image facts.
"""
