"""
OCI registries: charts, artifacts and images over the distribution API, and whether somebody trusted signed them.

What may live here: names of things in registries, credentials for them, the client, and signatures. :mod:`.client` has
the exact calls; like all of ``hub.content`` it knows no Kubernetes.
"""
