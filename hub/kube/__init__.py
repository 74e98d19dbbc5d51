"""
The API server: which one (:mod:`.config`), how to talk to it (:mod:`.client`), and how to follow what it holds
(:mod:`.reflector`). Raw dicts stop here; nothing in this package knows what our kinds mean.
"""
