"""
The controllers of sources: they turn Git repositories and charts into artifacts.

What may live here: one reconciler for each kind of source, and what they share. Nothing here knows releases or members;
those meet sources in ``status.artifact``.
"""
