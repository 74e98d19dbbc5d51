"""
The machine under every controller: watch, cache, queue, worker, the frame of a reconcile, events, serving, logging.

What may live here: parts that would serve any operator. Nothing here knows what a release, a chart or a repository is.
"""
