"""``turnout serve``: granian around ``turnout.app``, with the public sockets in the parent.

The parent checks the configuration, takes the state directory, makes missing keys, binds the public listening sockets,
and hands them to granian's worker inside the loader that granian calls there: inherited under fork, passed as
descriptors under spawn. So the sockets outlive every worker. While a crashed worker is replaced, clients wait in the
backlog; while SIGHUP replaces one, the old and the new accept from the same sockets and nobody is refused.

What granian does with signals, and what follows from it:

- SIGTERM or SIGINT to the parent: it stops the worker, whose lifespan drains the plane (``turnout.lifespan``). A worker
  that takes longer than ``server.drain.max`` and :data:`KILL_MARGIN_S` is killed.
- SIGHUP to the parent: a new worker starts, and after :data:`RESPAWN_S` the old one is stopped.
- A worker that dies is replaced. When the same one dies twice within 5.5 s granian takes it for a crash loop and ends,
  with exit code 1; a service manager should restart it then. Before the first worker was ready none is replaced: what
  stops it will stop the next as well.

The parent never imports ``turnout._native``. A reload by SIGHUP then runs a newly installed extension, and no thread of
it exists before a fork.

The worker reports over a pipe: that it is ready, and each configuration that it took. The parent keeps the last one and
gives it to the next worker, so that a crash or SIGHUP while the file is broken starts from the last good one.
"""

from __future__ import annotations

import errno
import math
import os
import shutil
import socket
import tempfile
import threading
from dataclasses import dataclass, replace
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.log import LogLevels

from turnout import keys, log, report, state
from turnout.errors import TurnoutError
from turnout.reload import Origin, Ready, compile_loaded, compile_origin, load_origin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from turnout.asgi import Application

BACKLOG = 4096
"""Connections that may wait to be accepted, as while a worker is replaced; ``net.core.somaxconn`` caps it."""

RESPAWN_S = 3.5
"""How long the old and the new worker overlap on SIGHUP: importing and compiling takes about one second."""

KILL_MARGIN_S = 10
"""Time after the drain for the last write to the ledger; then the worker is killed."""

CONTROL_CONNECTIONS = 1024
"""Connections that granian takes on the control socket; above the plane's pool, so that none of its waits there."""

UNIX_PATH_MAX = 107
"""Longest path of a Unix socket on Linux, in bytes (``sun_path`` has 108, one of them for the end)."""


class LaunchError(TurnoutError):
    """The gateway cannot start here: an address is taken, not allowed, or not safe without keys."""


@dataclass
class Worker:
    """Granian's loader: called in the worker, it gives the application. Holds all that a worker needs to start."""

    origin: Origin
    state_dir: Path
    control_socket: Path
    sockets: list[socket.socket]
    reports: socket.socket
    """Where to report (``turnout.report``); the parent reads the other end."""
    last_good: Ready | None
    """Set in the parent whenever a worker reports it; used when the configuration is broken at the worker's start."""

    def __call__(self) -> Application:
        """The application, with a lifespan that starts the plane on these sockets."""
        from turnout.asgi import Application

        return Application(self)


@dataclass(frozen=True)
class NewKeys:
    """Keys made by this start, in clear; they are shown once and not kept."""

    client: str | None
    admin: str | None
    session: str | None


@dataclass(frozen=True)
class Prepared:
    """Everything that must be right before the first process is started."""

    origin: Origin
    ready: Ready
    state_dir: Path
    new_keys: NewKeys
    sockets: list[socket.socket]
    lock: state.Lock


def prepare(origin: Origin, environment: Mapping[str, str]) -> Prepared:
    """Checks, locks, makes keys and binds. Raises :class:`turnout.errors.TurnoutError`, and then nothing is held."""
    for address in origin.listen:
        split_address(address)
    # The whole configuration is checked before the first thing is done that somebody could notice.
    loaded = load_origin(origin, environment)
    compiled = compile_loaded(loaded, origin, environment)
    addresses = compiled.snapshot.server.listen
    if not origin.auth:
        _only_loopback(addresses)
    directory = state.prepare(origin.state_dir or loaded.state_dir or state.default_directory(environment))
    lock = state.lock(directory)
    sockets: list[socket.socket] = []
    try:
        for address in addresses:
            sockets.extend(bind(address, dual_stack=not _has_wildcard_ipv4(addresses)))
        needs_key = origin.auth and not loaded.has_keys
        client = keys.ensure(directory, "client") if needs_key else None
        admin = keys.ensure(directory, "admin") if compiled.settings.admin_sha256 is None else None
        session = None
        if origin.demo and needs_key and client is None:
            # The stored key cannot be shown again, and the demo's curl line should work when it is pasted.
            session = keys.make("client")
            origin = replace(origin, session_key_sha256=keys.digest(session))
        ready = compile_origin(origin, environment, state_dir=directory)
    except BaseException:
        for bound in sockets:
            bound.close()
        lock.release()
        raise
    return Prepared(origin, ready, directory, NewKeys(client, admin, session), sockets, lock)


def run(prepared: Prepared, *, on_started: Callable[[report.Started, bool], None]) -> int:
    """Runs granian until a signal ends it; returns the exit code.

    ``on_started`` is called, on a thread, for each worker that serves; true says that it is the first.
    """
    run_dir, control_socket = _control_socket(prepared.state_dir)
    receiver, sender = report.pair()
    worker = Worker(
        origin=prepared.origin,
        state_dir=prepared.state_dir,
        control_socket=control_socket,
        sockets=prepared.sockets,
        reports=sender,
        last_good=prepared.ready,
    )
    server = granian(prepared.ready, control_socket)

    def started(message: report.Started, *, first: bool) -> None:
        server.respawn_failed_workers = True
        on_started(message, first)

    reader = threading.Thread(
        target=_read_reports, args=(receiver, worker, started), name="turnout-reports", daemon=True
    )
    server.on_startup(reader.start)
    try:
        server.serve(target_loader=worker, wrap_loader=False)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    finally:
        for bound in prepared.sockets:
            bound.close()
        if run_dir is not None:
            shutil.rmtree(run_dir, ignore_errors=True)
        prepared.lock.release()
    return 0


def granian(ready: Ready, control_socket: Path) -> Any:
    """Granian, set up for one worker on the control socket."""
    settings = ready.compiled.settings
    return Granian(
        "turnout:app",
        uds=control_socket,
        uds_permissions=0o600,
        interface=Interfaces.ASGI,
        workers=1,
        loop=Loops.uvloop if find_spec("uvloop") is not None else Loops.asyncio,
        # The plane speaks HTTP/1.1 on the socket, and WebSocket tunnels need it.
        http=HTTPModes.http1,
        backpressure=CONTROL_CONNECTIONS,
        # Only small pieces of file IO would use them.
        runtime_blocking_threads=8,
        log_level=LogLevels(log.granian_level(settings.log.level)),
        log_dictconfig=log.dict_config(level=settings.log.level, form=settings.log.format),
        log_access=False,
        # Until the first worker has reported itself; see the head of this file.
        respawn_failed_workers=False,
        respawn_interval=RESPAWN_S,
        workers_kill_timeout=kill_timeout_s(ready),
    )


def kill_timeout_s(ready: Ready) -> int:
    """Seconds a worker may take to stop."""
    return math.ceil(ready.snapshot.server.drain.max_ms / 1000) + KILL_MARGIN_S


def bind(address: str, *, dual_stack: bool = True) -> list[socket.socket]:
    """Listening sockets on ``host:port`` or ``[ipv6]:port``; a name may stand for several addresses.

    Not SO_REUSEPORT: one queue of waiting connections, shared by the workers, is what loses none when one is replaced.
    Raises :class:`LaunchError` with what to do.
    """
    host, port = split_address(address)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise LaunchError(f"cannot listen, the host's name is not known ({error.strerror}): {address}") from error
    bound: list[socket.socket] = []
    absent: OSError | None = None
    # The resolver may list an address twice.
    for family, where in dict.fromkeys((family, where) for family, _, _, _, where in found):
        if bound and port == 0:
            # The second address of a name gets the port that the first was given.
            where = (where[0], bound[0].getsockname()[1], *where[2:])
        try:
            bound.append(_listen(family, where, dual_stack=dual_stack))
        except OSError as error:
            if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                # ``localhost`` stands for ::1 as well, which a machine without IPv6 does not have.
                absent = error
                continue
            for other in bound:
                other.close()
            raise _not_bound(error, address, port) from error
    if not bound and absent is not None:
        raise _not_bound(absent, address, port) from absent
    return bound


def split_address(address: str) -> tuple[str, int]:
    """``host:port`` in two, without the brackets of an IPv6 address. Raises :class:`LaunchError`."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise LaunchError(f"not an address to listen on, expected HOST:PORT such as 127.0.0.1:4000: {address}")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise LaunchError(f"an IPv6 address stands in brackets, as in [::1]:4000: {address}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the host; for a name, whether that holds for all it stands for."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return False
    return all(ip_address(str(where[0]).partition("%")[0]).is_loopback for _, _, _, _, where in found)


def _listen(family: int, where: Any, *, dual_stack: bool) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if dual_stack else 1)
        listener.bind(where)
        listener.listen(BACKLOG)
        listener.setblocking(False)
        return listener
    except BaseException:
        listener.close()
        raise


def _not_bound(error: OSError, address: str, port: int) -> LaunchError:
    if error.errno == errno.EADDRINUSE:
        hint = f"another process listens there (ss -ltnp 'sport = :{port}' names it); choose another with --listen"
    elif error.errno == errno.EACCES:
        hint = "ports below 1024 need CAP_NET_BIND_SERVICE; grant it, or choose a higher one with --listen"
    elif error.errno == errno.EADDRNOTAVAIL:
        hint = "no interface of this machine has that address; 0.0.0.0 stands for all of them"
    else:
        hint = error.strerror or str(error)
    return LaunchError(f"cannot listen on {address}: {hint}")


def _only_loopback(addresses: Sequence[str]) -> None:
    for address in addresses:
        host, _ = split_address(address)
        if not is_loopback(host):
            raise LaunchError(
                f"--no-auth would let anyone on the network use your providers through {address};"
                " listen on 127.0.0.1 or ::1, or leave --no-auth out"
            )


def _has_wildcard_ipv4(addresses: Sequence[str]) -> bool:
    return any(split_address(address)[0] in ("", "0.0.0.0") for address in addresses)


def _control_socket(state_dir: Path) -> tuple[Path | None, Path]:
    """Where granian listens; and a directory to remove at the end, when the state directory's path is too long."""
    path = state_dir / "control.sock"
    if len(os.fsencode(path)) <= UNIX_PATH_MAX:
        # Left over when the parent was killed. The lock says that nobody listens there.
        path.unlink(missing_ok=True)
        return None, path
    run_dir = Path(tempfile.mkdtemp(prefix="turnout-"))
    return run_dir, run_dir / "control.sock"


def _read_reports(receiver: socket.socket, worker: Worker, started: Callable[..., None]) -> None:
    first = True
    while True:
        try:
            message = report.receive(receiver)
        except OSError:
            return
        match message:
            case report.Taken(ready):
                worker.last_good = ready
            case report.Started():
                started(message, first=first)
                first = False
            case None:
                return
