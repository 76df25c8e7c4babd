"""The public side: where it listens, its bounds and its times."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from turnout.config import snapshot

if TYPE_CHECKING:
    from turnout.config.compile.work import Work


def server_of(work: Work) -> snapshot.Server:
    written = work.config.server
    return snapshot.Server(
        listen=written.listen,
        tls=snapshot.Tls(certificate_path=str(written.tls.certificate), private_key_path=str(written.tls.private_key))
        if written.tls
        else None,
        cors_origins=written.cors_origins,
        trusted_proxies=written.trusted_proxies,
        threads=written.threads or _cores(),
        limits=snapshot.Limits(
            body_bytes_max=written.limits.body,
            form_bytes_max=written.limits.form,
            upload_bytes_max=written.limits.upload,
            header_bytes_max=written.limits.headers_size,
            headers_max=written.limits.headers,
            connections_max=written.limits.connections,
            requests_in_flight_max=written.limits.requests_in_flight,
            streams_per_connection_max=written.limits.streams_per_connection,
            answer_bytes_max=written.limits.answer,
            event_bytes_max=written.limits.event,
        ),
        timeouts=snapshot.Timeouts(
            header_ms=written.timeouts.header,
            body_ms=written.timeouts.body,
            idle_ms=written.timeouts.idle,
            write_ms=written.timeouts.write,
            keepalive_comment_ms=written.timeouts.keepalive_comment,
        ),
        attempts=snapshot.Attempts(
            attempts_max=written.attempts.max, total_ms=written.attempts.total, each_ms=written.attempts.each
        ),
        drain=snapshot.Drain(min_ms=written.drain.min, max_ms=written.drain.max),
        raw_errors=written.raw_errors,
        explain=written.explain,
    )


def _cores() -> int:
    """Cores that this process may use, where the system tells (Linux); else all of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
