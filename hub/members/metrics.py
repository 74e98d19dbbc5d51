"""
What the hub measures of its members, on the default registry of ``prometheus_client``.

A member is labelled as messages name it: ``<namespace>/<secret>``, or ``hub``. Requests are those that reach it, of
helm and of the hub itself; what is answered from memory is not among them.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

REQUESTS: Final = Counter(
    "hub_member_requests_total",
    "What was asked of a member by helm and by the hub itself, by HTTP status; 0 stands for no answer.",
    ("member", "by", "code"),
)  # fmt: skip
SECONDS: Final = Histogram(
    "hub_member_request_duration_seconds", "Time until a member began to answer a request of helm.",
    ("member",), buckets=(0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0),
)  # fmt: skip
UP: Final = Gauge("hub_member_up", "Whether a member answers: 1, or 0 while its breaker is open.", ("member",))
LATENCY: Final = Gauge("hub_member_latency_seconds", "Time of the last look at a member's version.", ("member",))
EXPIRY: Final = Gauge(
    "hub_member_credential_expiry_timestamp_seconds",
    "When the credentials in a member's kubeconfig end, in seconds since the epoch.",
    ("member",),
)


@cache
def requests(member: str, by: str, code: int) -> Counter:
    """Return the counter of one kind of request; looking labels up each time would cost more than counting."""
    return REQUESTS.labels(member, by, code)


@cache
def seconds(member: str) -> Histogram:
    """Return the histogram of one member."""
    return SECONDS.labels(member)


def forget(member: str) -> None:
    """Tell no more of a member that is not in use any more."""
    requests.cache_clear()
    seconds.cache_clear()
    for metric in (REQUESTS, SECONDS, UP, LATENCY, EXPIRY):
        metric.remove_by_labels({"member": member})
