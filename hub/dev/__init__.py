"""
``hubctl dev``: real clusters on this machine for trying out, demonstrating and testing.

What may live here: finding and building the pinned tools, starting and ending processes, and what they need to trust
each other. Nothing here knows what the hub does; it may be thrown away without the hub noticing.
"""
