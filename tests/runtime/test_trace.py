"""Spans, received by a real OTLP endpoint."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from hub.runtime import trace

trace_service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")


@pytest.fixture
async def collector():
    """What an OTLP collector was sent, and where it listens."""
    spans = []

    async def take(request):
        message = trace_service.ExportTraceServiceRequest()
        body = await request.read()
        message.ParseFromString(body)
        spans.extend(one for r in message.resource_spans for s in r.scope_spans for one in s.spans)
        return web.Response()

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", spans
    await runner.cleanup()


async def test_spans_reach_the_collector_with_their_parents(collector):
    address, spans = collector
    stop = trace.setup(address)

    def work():
        with trace.span("reconcile", kind="HelmRelease", name="web"):
            with trace.span("helm", verb="upgrade"):
                pass
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        work()
    await asyncio.to_thread(stop)
    found = {one.name: one for one in spans}
    assert set(found) == {"reconcile", "helm"}
    assert found["helm"].parent_span_id == found["reconcile"].span_id
    attributes = {one.key: one.value.string_value for one in found["reconcile"].attributes}
    assert attributes == {"hub.kind": "HelmRelease", "hub.name": "web"}
    assert found["reconcile"].status.code == 2


def test_without_an_endpoint_a_span_is_nothing():
    with trace.span("reconcile", kind="x"):
        pass


def test_opentelemetry_is_not_imported_unless_asked_for():
    import subprocess
    import sys

    code = "import hub.manager, sys; sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
