"""
Bytes: digests, archives, ignore rules, versions, values, charts, git and the artifact store.

What may live here: code that would be as useful without Kubernetes. It knows no cluster and no custom resource; objects
give it plain values and take plain values back. Blocking work runs in threads, so every ``async`` function here may be
cancelled at any await.
"""
