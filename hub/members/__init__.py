"""
Which clusters we reach, and how we keep them from hurting each other.

What may live here: everything about a member that is true whatever runs there: its client, its health, its limits, and
the gateway through which tools reach it. Nothing here knows what a HelmRelease is or starts a process; that Helm keeps
its records in Secrets is known (``storage``), because they have to be led to another namespace.
"""
