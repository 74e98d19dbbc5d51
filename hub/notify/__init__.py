"""
Notifications: so far those that come in.

What may live here: the controller of Receiver, the server of its webhooks, how calls of each origin are checked, and
which objects they mean. Follows the Flux notification facts.
"""
