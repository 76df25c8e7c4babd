"""The native plane, as Python sees it.

Two frozen classes, a function and plain values. Every method that may wait releases the interpreter. The plane never
calls Python, and no Python runs while it serves a request.
"""

from typing import Self, final

__version__: str

def cost(prices: bytes, usage: bytes, *, service_tier: str | None = None) -> tuple[int, int, int]:
    """What ``usage`` costs at ``prices``, as a generation is booked: nano-dollars in all, for prompt and for answer.

    ``prices``: JSON of :class:`turnout.config.snapshot.Prices`. ``usage``: a JSON object with counts by kind; the names
    are those of ``Usage`` in ``rust/wire/src/usage/``, what is absent is 0. ``service_tier``: the tier that served,
    ``flex``, ``priority`` or ``batch``. Raises ``ValueError`` for JSON that is not this.
    """

@final
class Plane:
    """The listener, router and forwarder.

    ``snapshot``: bytes of :func:`turnout.config.snapshot.encode`.
    ``listeners``: file descriptors of listening TCP sockets to take (each is duplicated); empty: bind
    ``server.listen`` of the snapshot itself, with ``SO_REUSEPORT``.
    ``control_socket``: path of the Unix socket where granian answers everything that is not hot; ``None``: such
    requests get 503.
    ``state_dir``: directory for the journal; made when absent.

    Raises ``ValueError`` for a snapshot that is not well formed, ``OSError`` when an address, the directory or a
    certificate cannot be used. A process may hold several, as tests do; the gateway makes one.
    """

    def __new__(
        cls,
        snapshot: bytes,
        *,
        listeners: list[int],
        control_socket: str | None,
        state_dir: str,
    ) -> Self: ...
    def start(self) -> list[str]:
        """Starts the threads; returns the bound addresses, ``host:port``.

        Raises ``OSError``, and ``RuntimeError`` when already started.
        """

    def swap(self, snapshot: bytes) -> int:
        """Puts another snapshot in place; returns its generation number (1, 2, …).

        Requests in flight keep theirs. ``listen``, ``threads`` and ``control_socket`` stay as they were at start.
        Raises ``ValueError`` when the bytes are wrong and ``OSError`` when the certificate that they name is, and keeps
        the running one. Detaches.
        """

    def explain(self, request: bytes) -> bytes:
        """Plans a request without sending it, and tells why it would go where it would.

        ``request``: JSON ``{"api": "chat", "body": {…}, "key": name, "headers": {…}, "seed": n}``; all but ``body`` may
        be left out, and APIs that name the model in their path take ``model`` and ``stream`` beside it. An object
        without ``body`` is itself the body of a chat request. Returns JSON:
        ``openrouter_metadata``, ``turnout_explain`` and, for a request that would be refused, ``error``. Works before
        :meth:`start`. Raises ``ValueError`` for bytes that are not this. Detaches.
        """

    def reload_failed(self, message: str) -> None:
        """Notes that a reload failed: ``/health/ready`` and ``/metrics`` show it until the next good :meth:`swap`."""

    def drain_journal(self, records_max: int, wait_ms: int) -> tuple[bytes, int]:
        """Takes up to ``records_max`` booked generations, oldest first.

        Waits up to ``wait_ms`` for the first one. Returns MessagePack (an array of arrays, fields in the order of
        ``turnout.ledger.record.Generation``) and a token for :meth:`commit_journal`. Nothing there: an empty array.
        Until the commit the same records are returned again. Detaches. One thread at a time.
        """

    def commit_journal(self, token: int) -> None:
        """Forgets everything up to ``token``: the ledger has it. ``ValueError`` for a token never given."""

    def spent(self, json: bytes) -> None:
        """Adds what the ledger knows of earlier processes to what was charged: bytes of
        :func:`turnout.ledger.spent.encode`. ``ValueError`` when they are not.
        """

    def usage(self, sha256: str | None) -> str:
        """What was charged to a key, by its hash (empty: to requests without one), or with ``None`` to the whole
        gateway: JSON of :class:`turnout.ledger.spent.Usage`. It is of this moment, ahead of the ledger.
        """

    def ledger_behind(self, message: str | None) -> None:
        """Notes that the ledger cannot be written (or, with ``None``, can be again) for health and metrics."""

    def begin_drain(self) -> None:
        """Ready turns 503 and answers carry ``Connection: close``. Does not wait. May be called again."""

    def stop(self) -> bool:
        """Drains by ``server.drain`` and joins the threads; true when everything in flight could finish.

        Detaches. May be called again.
        """

    def health(self) -> str:
        """JSON text of what ``/health/ready`` would say, without the HTTP status."""

    def statistics(self) -> bytes:
        """JSON of what is known of endpoints (those that had a request) and keys.

        ``rust/plane/src/statistics/report.rs`` names the members. Works it out anew first, so what is asked afterwards
        is routed by it. Detaches.
        """

    def metrics(self) -> str:
        """OpenMetrics text, as ``GET /metrics``."""

@final
class Mock:
    """The scripted model provider, for the demo, the tests and the bench. It serves its manual at
    ``GET /__mock/manual``.

    ``listen``: ``host:port``, port 0 picks one. ``threads``: at least 1. Starts at once. Raises ``OSError``.
    """

    def __new__(cls, listen: str, *, threads: int = 1, record: bool = False) -> Self: ...
    @property
    def address(self) -> str:
        """``host:port`` it listens on."""

    def received(self) -> str:
        """JSON text: the recorded requests, oldest first (empty unless ``record``), and counters.

        The same as ``GET /__mock/received``.
        """

    def reset(self) -> None:
        """Forgets what was recorded and counted."""

    def stop(self) -> None:
        """Closes the listener and every connection and joins. May be called again."""
