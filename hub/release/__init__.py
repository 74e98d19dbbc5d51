"""
The HelmRelease engine: observe what Helm stored on the member, classify it, plan one action, act, record.

What may live here: pure decisions about one release (``names``, ``state``, ``plan``, ``remediation``, ``history``,
``messages``), the adapters they need (``helm``, ``storage``) and the short controller that joins them. Nothing here
knows Git, and nothing but ``helm`` starts a process.
"""
