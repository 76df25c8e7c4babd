"""How tests drive the plane: a snapshot, the real ``Plane`` on a free port, and the real ``Mock`` behind it.

Everything happens in the test's own process, so a test costs milliseconds. :func:`running` starts both and cleans up;
the :class:`Rig` that it gives offers clients, what the provider received and what was booked. The builders at the
top make complete snapshots from as little as a test wants to say. :class:`Upstream` is a provider for the answers
that the mock cannot give: the test writes them byte by byte.

Nothing here sleeps to hope: :func:`eventually` polls an observable condition against a deadline.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import httpx
import msgspec

from turnout._native import Mock, Plane
from turnout.config import snapshot as written
from turnout.ledger import record
from turnout.providers.dialect import PATHS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from turnout.ledger.record import Generation

T = TypeVar("T")

KEY = "sk-test-client-0123456789"
"""The client key of every snapshot that does not bring its own."""
UPSTREAM_KEY = "sk-upstream-secret-0123456789"
"""The credential that the gateway presents to providers."""
PATIENCE_S = 30.0
"""How long a condition may take on a busy machine before a test gives up."""

PRICES = written.Prices(
    version="v1",
    prompt=2_000_000_000,
    completion=10_000_000_000,
    cache_read=500_000_000,
    cache_write=2_500_000_000,
    request=7,
    cache_write_1h=2_500_000_000,
    reasoning=None,
    audio_prompt=None,
    audio_completion=None,
    image_prompt=None,
    image_completion=None,
    image=0,
    web_search=0,
    search_unit=0,
    second=0,
    character=0,
    tiers=[],
    service=[],
)
"""2 and 10 dollars per million tokens, 0.50 from the cache, and 7 nano-dollars a request."""

CHAT = "/v1/chat/completions"


# Snapshots


def server(**changes: Any) -> written.Server:
    """The public side on a free port, with short times. ``limits``, ``timeouts``, ``attempts`` and ``drain`` take
    dictionaries of what is different."""
    parts: dict[str, Any] = {
        "limits": written.Limits(
            body_bytes_max=1 << 20,
            header_bytes_max=64 << 10,
            headers_max=100,
            connections_max=1000,
            requests_in_flight_max=1000,
            streams_per_connection_max=100,
            answer_bytes_max=8 << 20,
            event_bytes_max=1 << 20,
            form_bytes_max=1 << 20,
            upload_bytes_max=1 << 30,
        ),
        "timeouts": written.Timeouts(
            header_ms=20_000, body_ms=20_000, idle_ms=60_000, write_ms=20_000, keepalive_comment_ms=15_000
        ),
        "attempts": written.Attempts(attempts_max=4, total_ms=60_000, each_ms=None),
        "drain": written.Drain(min_ms=0, max_ms=200),
    }
    for name in parts:
        if isinstance(changes.get(name), dict):
            parts[name] = msgspec.structs.replace(parts[name], **changes.pop(name))
    values: dict[str, Any] = {
        "listen": ["127.0.0.1:0"],
        "tls": None,
        "cors_origins": [],
        "trusted_proxies": [],
        "threads": 1,
        "raw_errors": True,
        "explain": "request",
        **parts,
        **changes,
    }
    return written.Server(**values)


def wishes(**changes: Any) -> written.Wishes:
    """Nobody wishes anything. A key's ``policy`` is ``None`` then; the gateway's is said by :func:`routing`."""
    values: dict[str, Any] = {
        "policy": None,
        "only": [],
        "ignore": [],
        "training": True,
        "zdr": False,
        "hedge": None,
        **changes,
    }
    return written.Wishes(**values)


def routing(**changes: Any) -> written.Routing:
    """Endpoints are tried as they are listed, and none is left alone for what it said or did.

    ``wishes``, ``hedge``, ``sticky``, ``breaker`` and ``adaptive`` take a dictionary of what is different."""
    values: dict[str, Any] = {
        "outage_ms": 30_000,
        "require_tools": True,
        "cooldown_max_ms": 0,
        "probes_per_minute": 6000,
        **changes,
        "wishes": wishes(**{"policy": "order", **changes.get("wishes", {})}),
        "retries": written.Retries(**{"percent": 100, "per_second": 1000, **changes.get("retries", {})}),
        # Whoever asks for it is hedged; nobody does.
        "hedge": written.Hedge(
            **{
                "after_ms": None,
                "wait_min_ms": 1,
                "wait_max_ms": 30_000,
                "plain_after_ms": None,
                "percent": 100,
                **changes.get("hedge", {}),
            }
        ),
        "sticky": written.Sticky(**{"ttl_ms": 600_000, "conversations_max": 1000, **changes.get("sticky", {})}),
        "breaker": written.Breaker(
            **{"failures": 0, "open_ms": 30_000, "open_max_ms": 300_000, **changes.get("breaker", {})}
        ),
        "adaptive": written.Adaptive(
            **{
                "second_nano": 0,
                "failure": 10,
                "limited": 2,
                "exploration_permille": 0,
                **changes.get("adaptive", {}),
            }
        ),
    }
    return written.Routing(**values)


def cache(**changes: Any) -> written.Cache:
    """In memory, and off unless a request asks for it."""
    values: dict[str, Any] = {
        "default": False,
        "ttl_s": 300,
        "size_bytes": 1 << 20,
        "entry_bytes": 256 << 10,
        "server": None,
        **changes,
    }
    return written.Cache(**values)


def key(secret: str = KEY, **changes: Any) -> written.Key:
    """A client key that may use everything."""
    values: dict[str, Any] = {
        "sha256": hashlib.sha256(secret.encode()).hexdigest(),
        "name": "me",
        "models": None,
        "disabled": False,
        "expires_unix": None,
        "routing": None,
        "limit": None,
        "requests_per_minute": None,
        "explain": None,
        **changes,
    }
    return written.Key(**values)


def billing(**changes: Any) -> written.Billing:
    """Nothing is limited. ``free`` takes a dictionary."""
    values: dict[str, Any] = {"credits": False, "reserve_tokens": 8192, "byok_fee_percent": 0, "free": None, **changes}
    if values["free"] is not None:
        none = dict.fromkeys(("per_minute", "per_day", "per_day_with_credits"))
        values["free"] = written.Free(**{**none, **values["free"]})
    return written.Billing(**values)


def credential(secret: str = UPSTREAM_KEY, **changes: Any) -> written.Credential:
    """One upstream key, as a bearer token."""
    values: dict[str, Any] = {
        "label": "key-1",
        "scheme": "header",
        "name": "authorization",
        "value": f"Bearer {secret}",
        "weight": 1,
        "sigv4": None,
        **changes,
    }
    return written.Credential(**values)


def quirks(**changes: Any) -> written.Quirks:
    """Of a server that does all that its dialect says."""
    values: dict[str, Any] = {
        "stream_usage": True,
        "max_tokens": "max_tokens",
        "developer_role": True,
        "reasoning": "effort",
        "parallel_tool_calls": True,
        "tool_choice_required": "required",
        "json_schema": True,
        "image_urls": True,
        **changes,
    }
    return written.Quirks(**values)


def wire(base_url: str, dialect: written.Dialect = "openai", **changes: Any) -> written.Wire:
    """A protocol at ``base_url`` (``host:port`` is enough) with all its operations. ``quirks`` takes a dictionary."""
    values: dict[str, Any] = {
        "dialect": dialect,
        "base_url": base_url if "://" in base_url else f"http://{base_url}/v1",
        "paths": dict(PATHS[dialect]),
        **changes,
        "quirks": quirks(**changes.get("quirks", {})),
    }
    return written.Wire(**values)


def provider(base_url: str, slug: str = "first", **changes: Any) -> written.Provider:
    """A provider at ``base_url`` (``host:port`` is enough) that speaks the dialect ``openai``.

    ``timeouts`` and ``quirks`` take a dictionary of what is different, ``probe`` one of what differs from quick probes
    after failures.
    """
    timeouts = written.UpstreamTimeouts(connect_ms=20_000, first_byte_ms=30_000, idle_ms=30_000, pool_idle_ms=50_000)
    if isinstance(changes.get("timeouts"), dict):
        timeouts = msgspec.structs.replace(timeouts, **changes.pop("timeouts"))
    values: dict[str, Any] = {
        "slug": slug,
        "name": slug.capitalize(),
        "wires": [wire(base_url, quirks=changes.pop("quirks", {}))],
        "credentials": [credential()],
        "headers": [],
        "timeouts": timeouts,
        "proxy": None,
        "ca_path": None,
        "routing_fields": False,
        "probe": None,
        **changes,
    }
    if isinstance(values["probe"], dict):
        values["probe"] = written.Probe(
            **{"every_ms": 20, "idle_ms": 0, "timeout_ms": 5000, "tokens": 1, **values["probe"]}
        )
    return written.Provider(**values)


def endpoint(provider: int = 0, model: str = "plain", **changes: Any) -> written.Endpoint:
    """``model`` at the provider of that index. The mock's script goes into the name: ``plain;status=500``."""
    values: dict[str, Any] = {
        "provider": provider,
        "model": model,
        "tag": f"tag-{provider}",
        "prices": PRICES,
        "context_length": None,
        "completion_tokens_max": None,
        "dialect": None,
        "parameters": None,
        "inputs": [],
        "outputs": [],
        "quantization": None,
        "data_policy": written.DataPolicy(training=None, retention_days=None, zdr=False),
        "weight": 1,
        "service_tier": None,
        "region": None,
        **changes,
    }
    return written.Endpoint(**values)


def model(*endpoints: written.Endpoint, slug: str = "test/model", **changes: Any) -> written.Model:
    """A model with these endpoints, tried in this order."""
    values: dict[str, Any] = {
        "card": json.dumps({"id": slug}),
        "distillable": None,
        "created": 0,
        "scores": None,
        "reasoning": None,
        **changes,
    }
    return written.Model(slug=slug, endpoints=list(endpoints), **values)


def router(kind: Literal["auto", "free", "pareto"], *names: str, **changes: Any) -> written.Router:
    """A router that may choose any model of the cheapest fifth. ``judge``: the slug of a model."""
    values: dict[str, Any] = {
        "card": json.dumps({"id": names[0]}),
        "allowed": [],
        "excluded": [],
        "pools": {},
        "cost_tier": "low",
        "coding_score_min": 660,
        "judge": None,
        **changes,
    }
    if isinstance(values["judge"], str):
        values["judge"] = written.Judge(model=values["judge"], timeout_ms=5000, ttl_ms=60_000, opinions_max=100)
    return written.Router(kind=kind, names=list(names), **values)


def snapshot(
    providers: Sequence[written.Provider], models: Sequence[written.Model], **changes: Any
) -> written.Snapshot:
    """The whole of it, with the one key :data:`KEY`. ``server`` takes a dictionary of what is different."""
    side = changes.pop("server", {})
    values: dict[str, Any] = {
        "schema": written.SCHEMA,
        "digest": "test-digest",
        "server": server(**side) if isinstance(side, dict) else side,
        "auth": True,
        "routing": routing(),
        "cache": cache(),
        "billing": billing(),
        "keys": [key()],
        "providers": list(providers),
        "models": list(models),
        "aliases": {},
        "wildcards": [],
        "presets": [],
        "routers": [],
        **changes,
    }
    return written.Snapshot(**values)


def scripted(*scripts: str, address: str, **changes: Any) -> written.Snapshot:
    """``test/model`` with one endpoint for each script, each at a provider of its own (First, Second, Third …) that is
    the mock at ``address``. ``provider`` takes a dictionary of what is different for all of them."""
    names = ("first", "second", "third", "fourth", "fifth", "sixth")
    ours = changes.pop("provider", {})
    providers = [provider(address, names[index], **ours) for index in range(len(scripts))]
    endpoints = [endpoint(index, script) for index, script in enumerate(scripts)]
    return snapshot(providers, [model(*endpoints)], **changes)


# The running thing


def eventually(condition: Callable[[], T], what: str, patience_s: float = PATIENCE_S) -> T:
    """Polls until ``condition`` is true and returns its value; fails with ``what`` at the deadline."""
    deadline = time.monotonic() + patience_s
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {patience_s} s: {what}; last seen: {value!r}")
        pause.wait(0.005)


@dataclass
class Rig:
    """A running plane with the mock behind it."""

    plane: Plane
    mock: Mock
    address: str
    state_dir: Path
    key: str | None = KEY
    _kept: list[Generation] = field(default_factory=list)

    @property
    def host(self) -> tuple[str, int]:
        """What ``socket.create_connection`` wants."""
        host, _, port = self.address.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def headers(self, **more: str) -> dict[str, str]:
        """The client's key, and what else is given (``x_mock="…"`` becomes ``x-mock``)."""
        mine = {} if self.key is None else {"authorization": f"Bearer {self.key}"}
        return mine | {name.replace("_", "-"): value for name, value in more.items()}

    def client(self, **options: Any) -> httpx.Client:
        """An HTTP client with the key, deaf to the environment's proxies."""
        defaults: dict[str, Any] = {
            "base_url": self.url,
            "headers": self.headers(),
            "timeout": PATIENCE_S,
            "trust_env": False,
            # Loading a bundle of roots takes a tenth of a second, and most clients here speak no TLS.
            "verify": False,
        }
        return httpx.Client(**(defaults | options))

    def post(self, body: Any, path: str = CHAT, **headers: str) -> httpx.Response:
        """One POST on a connection of its own, read to the end. ``body``: bytes as they are, anything else as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        with self.client() as client:
            return client.post(path, content=content, headers=self.headers(**headers))

    def get(self, path: str, **headers: str) -> httpx.Response:
        """One GET on a connection of its own."""
        with self.client() as client:
            return client.get(path, headers=self.headers(**headers))

    def chat(self, text: str = "Hello there", **members: Any) -> httpx.Response:
        """One chat completion of ``test/model``, or of what the members say."""
        return self.post(chat(text, **members))

    def stream(self, text: str = "Hello there", **members: Any) -> Stream:
        """One streamed chat completion, read to the end by a reader that sees every byte."""
        return self.post_stream(chat(text, stream=True, **members))

    def post_stream(self, body: Any, path: str = CHAT, **headers: str) -> Stream:
        """Like :meth:`post`, and the answer is taken apart as an event stream."""
        with self.connect() as connection:
            connection.send(body, path, **headers)
            return Stream.of(connection.answer())

    def connect(self) -> Connection:
        """A raw connection."""
        return Connection(socket.create_connection(self.host, timeout=PATIENCE_S), self.headers())

    def received(self) -> list[dict[str, Any]]:
        """What the mock received, oldest first."""
        requests: list[dict[str, Any]] = json.loads(self.mock.received())["requests"]
        return requests

    def counters(self) -> dict[str, int]:
        """The mock's counters."""
        counters: dict[str, int] = json.loads(self.mock.received())["counters"]
        return counters

    def booked(self, count: int = 1, *, patience_s: float = PATIENCE_S) -> list[Generation]:
        """Waits until ``count`` generations are booked since the last call, and fails when there are more.

        They are committed, so the next call sees later ones only.
        """
        deadline = time.monotonic() + patience_s
        while len(self._kept) < count and time.monotonic() < deadline:
            self._drain(wait_ms=100)
        # One more look: a record too many would lie right behind.
        self._drain(wait_ms=0)
        kept, self._kept = self._kept, []
        assert len(kept) == count, f"expected {count} records, got {[(g.id, g.status, g.error_type) for g in kept]}"
        return kept

    def _drain(self, *, wait_ms: int) -> None:
        packed, token = self.plane.drain_journal(1000, wait_ms)
        batch = record.decode(packed)
        if batch:
            self._kept += batch
            self.plane.commit_journal(token)

    def swap(self, to: written.Snapshot) -> int:
        """Puts another snapshot in place."""
        return self.plane.swap(written.encode(to))

    def health(self) -> dict[str, Any]:
        health: dict[str, Any] = json.loads(self.plane.health())
        return health

    def statistics(self, tag: str = "tag-0") -> dict[str, Any]:
        """What is known of the endpoint with this tag. Requests that come later are routed by it."""
        report = json.loads(self.plane.statistics())
        (known,) = (endpoint for endpoint in report["endpoints"] if endpoint["tag"] == tag)
        return dict(known)

    def metric(self, name: str, **labels: str) -> float:
        """Sum of the samples of one metric that have these labels; 0 when there is none."""
        total = 0.0
        for line in self.plane.metrics().splitlines():
            head, _, value = line.rpartition(" ")
            bare, _, rest = head.partition("{")
            if bare == name and all(f'{label}="{text}"' in rest for label, text in labels.items()):
                total += float(value)
        return total


@contextlib.contextmanager
def running(
    make: Callable[[str], written.Snapshot],
    *,
    mock_threads: int = 1,
    control_socket: str | None = None,
    state_dir: Path | None = None,
    key: str | None = KEY,
) -> Iterator[Rig]:
    """Starts the mock, then a plane on the snapshot that ``make`` builds from the mock's address."""
    with contextlib.ExitStack() as stack:
        if state_dir is None:
            state_dir = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        mock = Mock("127.0.0.1:0", threads=mock_threads, record=True)
        stack.callback(mock.stop)
        encoded = written.encode(make(mock.address))
        plane = Plane(encoded, listeners=[], control_socket=control_socket, state_dir=str(state_dir))
        stack.callback(plane.stop)
        addresses = plane.start()
        yield Rig(plane=plane, mock=mock, address=addresses[0], state_dir=state_dir, key=key)


@contextlib.contextmanager
def serving(*scripts: str, state_dir: Path | None = None, **changes: Any) -> Iterator[Rig]:
    """:func:`running` with :func:`scripted`: ``test/model`` behaves as the scripts say, one endpoint each."""
    with running(lambda address: scripted(*scripts, address=address, **changes), state_dir=state_dir) as rig:
        yield rig


# Requests and answers


def chat(text: str = "Hello there", **members: Any) -> dict[str, Any]:
    """Body of a chat request for ``test/model``."""
    return {"model": "test/model", "messages": [{"role": "user", "content": text}], **members}


@dataclass(frozen=True)
class Answer:
    """An answer as it stood on the wire, with the body unchunked."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool
    """Whether the body ended as its framing promised."""

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Stream:
    """An event stream taken apart."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool
    data: list[str]
    """Data of each event, ``[DONE]`` included."""
    comments: int

    @classmethod
    def of(cls, answer: Answer) -> Stream:
        data: list[str] = []
        comments = 0
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            text = answer.body.decode()
            blocks = text.split("\n\n")
            # Our own streams are strict, so the reader is: one data line or one comment, then an empty line.
            assert blocks[-1] == "", f"the stream ends inside an event: {blocks[-1]!r}"
            for block in blocks[:-1]:
                if block.startswith(":"):
                    comments += 1
                else:
                    assert block.startswith("data: "), block
                    assert "\n" not in block, block
                    data.append(block.removeprefix("data: "))
        return cls(answer.status, answer.headers, answer.body, answer.whole, data, comments)

    @property
    def done(self) -> bool:
        """Whether it ended with ``[DONE]``."""
        return bool(self.data) and self.data[-1] == "[DONE]"

    @property
    def chunks(self) -> list[Any]:
        return [json.loads(data) for data in self.data if data != "[DONE]"]

    @property
    def text(self) -> str:
        """What the first choice's deltas say."""
        return "".join(
            chunk["choices"][0]["delta"].get("content") or "" for chunk in self.chunks if chunk.get("choices")
        )

    @property
    def error(self) -> Any:
        """The error of the last chunk, or ``None``."""
        return self.chunks[-1].get("error") if self.chunks else None

    @property
    def usage(self) -> Any:
        """The one usage of the stream; fails when there are several."""
        usages = [chunk["usage"] for chunk in self.chunks if chunk.get("usage") is not None]
        assert len(usages) <= 1, usages
        return usages[0] if usages else None


class Closed(Exception):
    """The gateway closed the connection before an answer began."""


class Connection:
    """A raw client connection: says what it is told, reads what comes."""

    def __init__(self, sock: socket.socket, headers: dict[str, str]) -> None:
        self.sock = sock
        self._headers = headers
        self._buffer = bytearray()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Closes with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def send(self, body: Any, path: str = CHAT, **headers: str) -> None:
        """Sends one POST."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = {
            "host": "gateway",
            "content-type": "application/json",
            "content-length": str(len(content)),
            **self._headers,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
        self.sock.sendall(head.encode("latin-1") + content)

    def write(self, data: bytes) -> None:
        self.sock.sendall(data)

    def _fill(self) -> bool:
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionResetError:
            return False
        self._buffer += data
        return bool(data)

    def read_until(self, mark: bytes) -> bytes:
        """Reads up to and including ``mark``."""
        while mark not in self._buffer:
            if not self._fill():
                raise Closed(f"closed before {mark!r}, after {bytes(self._buffer[-200:])!r}")
        return self._take(self._buffer.index(mark) + len(mark))

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def read_exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            if not self._fill():
                raise Closed(f"closed {count - len(self._buffer)} bytes early")
        return self._take(count)

    def read_to_close(self) -> bytes:
        """Everything up to the end of the connection."""
        while self._fill():
            pass
        return self._take(len(self._buffer))

    def closed_by_peer(self) -> bool:
        """Waits for the end; false when bytes come instead."""
        return not self._buffer and not self._fill()

    def head(self) -> tuple[int, dict[str, str]]:
        """Reads one head; interim answers are heads too."""
        if not self._buffer and not self._fill():
            raise Closed("closed before an answer")
        lines = self.read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        headers: dict[str, str] = {}
        for line in lines[1:-2]:
            name, _, value = line.partition(":")
            name = name.lower()
            value = value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return status, headers

    def answer(self, *, to_head: bool = False) -> Answer:
        """Reads one answer. ``to_head``: it answers a HEAD, so no body follows."""
        status, headers = self.head()
        if to_head or status in (204, 304):
            return Answer(status, headers, b"", True)
        try:
            if headers.get("transfer-encoding") == "chunked":
                body = bytearray()
                whole = True
                try:
                    while size := int(self.read_until(b"\r\n"), 16):
                        body += self.read_exactly(size)
                        assert self.read_exactly(2) == b"\r\n"
                    assert self.read_until(b"\r\n") == b"\r\n"
                except Closed:
                    whole = False
                return Answer(status, headers, bytes(body), whole)
            if "content-length" in headers:
                return Answer(status, headers, self.read_exactly(int(headers["content-length"])), True)
        except Closed:
            return Answer(status, headers, self.read_to_close(), False)
        return Answer(status, headers, self.read_to_close(), True)


# Providers that the mock cannot play


class Upstream:
    """A provider that a test plays: ``play`` gets each accepted connection, in a thread of its own.

    Used as a context; leaving it closes everything and raises what a ``play`` raised.
    """

    def __init__(self, play: Callable[[socket.socket], None], *, family: socket.AddressFamily = socket.AF_INET) -> None:
        self._play = play
        host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        self._listener = socket.create_server((host, 0), family=family)
        port = self._listener.getsockname()[1]
        self.port: int = port
        self.address = f"[{host}]:{port}" if family == socket.AF_INET6 else f"{host}:{port}"
        self.accepted = 0
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._errors: list[Exception] = []
        self._closing = False

    def __enter__(self) -> Upstream:
        self._start(self._accept)
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        self._closing = True
        # Closing a listener does not wake a thread in accept; shutting it down does.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE_S)
        for connection in self._connections:
            connection.close()
        if self._errors and kind is None:
            raise self._errors[0]

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE_S)
            self.accepted += 1
            self._connections.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            self._play(connection)
        except OSError:
            # The gateway left, or the test is over: what the client saw is what the test looks at.
            pass
        except Exception as error:  # noqa: BLE001 - a thread's top: the error is raised in the test's own thread
            if not self._closing:
                self._errors.append(error)
        finally:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def read_request(connection: socket.socket) -> tuple[str, dict[str, str], bytes] | None:
    """Reads one request with a Content-Length: request line, headers, body. ``None`` when the other side has closed."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(1 << 16)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    length = int(headers.get("content-length", "0"))
    while len(body) < length:
        more = connection.recv(1 << 16)
        if not more:
            return None
        body += more
    return lines[0], headers, body


def answering(*parts: bytes, close: bool = False) -> Callable[[socket.socket], None]:
    """A ``play`` that answers every request of a connection with these bytes, part by part."""

    def play(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while read_request(connection) is not None:
            for part in parts:
                connection.sendall(part)
            if close:
                return

    return play


def plain_answer(body: Any, *, status: int = 200, **headers: str) -> bytes:
    """An HTTP answer with a Content-Length. ``body``: bytes as they are, anything else as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"content-type": "application/json", "content-length": str(len(content))}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = f"HTTP/1.1 {status} Status\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
    return head.encode("latin-1") + content


def completion(text: str = "Hi", **members: Any) -> dict[str, Any]:
    """A provider's plain chat completion."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "theirs",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14},
        **members,
    }


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
