"""A multi-cluster GitOps hub: Flux-compatible objects on one host cluster, real Helm on every member."""

__version__ = "0.1.0"
