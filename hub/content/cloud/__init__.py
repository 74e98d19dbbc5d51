"""
Identities in clouds: short-lived tokens from AWS, Azure and Google, and what they open there.

One module for each cloud, over HTTP itself: each exchange is one or two requests, and the clouds' own libraries block,
bring a second HTTP client each, and want tens of megabytes. :class:`hub.content.cloud.clouds.Clouds` is the way in.
"""
