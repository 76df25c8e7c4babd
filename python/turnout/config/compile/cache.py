"""The cache of whole answers, and the server that may keep it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from turnout.config import snapshot
from turnout.config.values import redis_parts

if TYPE_CHECKING:
    from turnout.config.compile.work import Work


def cache_of(work: Work) -> snapshot.Cache:
    written = work.config.cache
    place = redis_parts(written.url.get_secret_value()) if written.url is not None else None
    return snapshot.Cache(
        default=written.default,
        ttl_s=written.ttl // 1000,
        size_bytes=written.size,
        entry_bytes=written.entry,
        server=snapshot.CacheServer(
            host=place.host,
            port=place.port,
            tls=place.tls,
            username=place.username,
            password=place.password,
            database=place.database,
            prefix=written.prefix,
            wait_ms=written.wait,
        )
        if place is not None
        else None,
    )
