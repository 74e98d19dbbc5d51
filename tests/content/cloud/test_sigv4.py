"""Against the examples that AWS publishes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hub.content.cloud.sigv4 import AwsKeys, Scope, presigned_url, signed_headers

EXAMPLE = AwsKeys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
NOW = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
FORM_UTF8 = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


@pytest.mark.parametrize(
    ("method", "url", "service", "headers", "body", "signature"),
    [
        pytest.param(
            "GET",
            "https://example.amazonaws.com/",
            "service",
            {},
            b"",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            id="get-vanilla of the test suite",
        ),
        pytest.param(
            "POST",
            "https://example.amazonaws.com/",
            "service",
            FORM,
            b"Param1=value1",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            id="post-x-www-form-urlencoded of the test suite",
        ),
        pytest.param(
            "GET",
            "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
            "iam",
            FORM_UTF8,
            b"",
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
            id="ListUsers of the documentation",
        ),
    ],
)
def test_headers(*, method, url, service, headers, body, signature):
    sent = signed_headers(method, url, headers, body, keys=EXAMPLE, scope=Scope("us-east-1", service, NOW))
    assert sent["Authorization"].endswith(f", Signature={signature}")
    assert sent["Authorization"].startswith(
        f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request, SignedHeaders="
    )


def test_the_presigned_url_of_the_documentation():
    keys = AwsKeys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    url = presigned_url(
        "https://examplebucket.s3.amazonaws.com/test.txt",
        {},
        keys=keys,
        scope=Scope("us-east-1", "s3", datetime(2013, 5, 24, tzinfo=UTC)),
        seconds=86400,
    )
    assert url.endswith("&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")


def test_a_session_is_part_of_what_is_signed():
    scope = Scope("us-east-1", "service", NOW)
    sent = signed_headers(
        "GET", "https://x/", {}, b"", keys=AwsKeys(EXAMPLE.access, EXAMPLE.secret, "tok"), scope=scope
    )
    assert sent["X-Amz-Security-Token"] == "tok"
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token" in sent["Authorization"]
