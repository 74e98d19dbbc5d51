from __future__ import annotations

from hub.notify.limits import Allowance


def test_a_bucket_empties_and_fills():
    now = [0.0]
    bucket = Allowance(lambda: now[0], burst=3, rate=0.5)
    assert [bucket.take("a") for _ in range(4)] == [True, True, True, False]
    assert bucket.take("b"), "each has its own"
    now[0] = 1.9
    assert not bucket.take("a")
    now[0] = 2.0
    assert bucket.take("a")
    now[0] = 1000.0
    assert [bucket.take("a") for _ in range(4)] == [True, True, True, False], "no more than fits"
