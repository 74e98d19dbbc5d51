"""
Traces, where an operator wants them: one span for each reconcile and each run of helm.

OpenTelemetry is an extra (``pip install hubctl[tracing]``) and imported only by :func:`setup`; without it a span costs
one comparison.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hub import __version__
from hub.errors import Stalled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_tracer: Any = None


def setup(endpoint: str) -> Callable[[], None]:
    """
    Send spans to an OTLP endpoint from now on; return what sends the last ones and stops.

    Raises:
        Stalled: OpenTelemetry is not installed.
    """
    global _tracer  # noqa: PLW0603  # one process, one destination
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise Stalled(
            "TracingNotInstalled", f"--trace-endpoint needs OpenTelemetry: pip install 'hubctl[tracing]' ({error})"
        ) from error
    path = endpoint.rstrip("/")
    exporter = OTLPSpanExporter(endpoint=path if path.endswith("/v1/traces") else f"{path}/v1/traces", timeout=5)
    provider = TracerProvider(resource=Resource.create({"service.name": "hub", "service.version": __version__}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = provider.get_tracer("hub")

    def stop() -> None:
        global _tracer  # noqa: PLW0603  # as above
        _tracer = None
        provider.shutdown()

    return stop


@contextmanager
def span(what: str, **attributes: str) -> Iterator[None]:
    """Be one span of a trace, below the span that is open in this task; an exception marks it as failed."""
    if _tracer is None:
        yield
        return
    with _tracer.start_as_current_span(what, attributes={f"hub.{key}": value for key, value in attributes.items()}):
        yield
