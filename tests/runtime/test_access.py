"""Who may refer to whom."""

from __future__ import annotations

import pytest

from hub.api.meta import Key
from hub.errors import Stalled
from hub.runtime.access import Access


@pytest.mark.parametrize(
    ("only", "target", "allowed"),
    [
        pytest.param(False, "other", True, id="everything is allowed by default"),
        pytest.param(True, "own", True, id="the own namespace always is"),
        pytest.param(True, "", True, id="no namespace is the own one"),
        pytest.param(True, "other", False, id="another namespace is not"),
    ],
)
def test_check(only, target, allowed):
    def check():
        Access(only).check("own", Key("HelmChart", target, "web"))

    if allowed:
        check()
        return
    with pytest.raises(Stalled) as caught:
        check()
    assert caught.value.reason == "AccessDenied"
    assert caught.value.message == "cross-namespace references are not allowed: cannot access HelmChart other/web"
