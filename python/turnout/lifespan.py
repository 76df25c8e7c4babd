"""The life of a worker: what starts with granian's worker and ends with it.

Start: configuration → ledger opened → plane made → ledger's writer, which tells it what was spent before → plane
started → watcher of files, follower of the database → ready. End, in reverse: these two stop, the plane drains and
stops, the writer empties the journal, the ledger closes.

Under ``turnout serve`` the parent's :class:`turnout.launch.Worker` brings the sockets and the origin. Under plain
``granian --interface asgi turnout:app`` there is none: the configuration is found by ``TURNOUT_CONFIG``, the plane
binds ``server.listen`` itself, and reaches the control API on granian's Unix socket, or when granian listens on TCP on
that of a second, embedded one (``turnout.bridge``).
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import logging.config
import os
import signal
import threading
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from multiprocessing import parent_process
from pathlib import Path
from typing import TYPE_CHECKING, cast

import turnout
from turnout import bridge, keys, report, state
from turnout.auth.wallet import Wallet
from turnout.catalogue import data as catalogue_data
from turnout.config.load import environment as read_environment
from turnout.drain import Drain
from turnout.errors import TurnoutError
from turnout.follower import Follower
from turnout.gateway import Gateway
from turnout.ledger import store
from turnout.ledger.credits import Credits
from turnout.ledger.writer import Writer
from turnout.log import dict_config
from turnout.reload import (
    Origin,
    Ready,
    Reloader,
    Watcher,
    compile_loaded,
    compile_read,
    load_origin,
    origin_of,
    with_presets,
)
from turnout.shelf import Shelf
from turnout.vault import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from turnout.config.load import Loaded
    from turnout.config.own import OwnKey
    from turnout.gateway import Mock, Native
    from turnout.launch import Worker

log = logging.getLogger("turnout")

LEDGER_FINISH_S = 5.0
"""How long the end waits for the ledger to take what is left; the rest stays in the journal for the next start."""

LEDGER_OPEN_S = 5.0
"""How long the start waits for the ledger to say what was spent before; clients wait in the kernel's queue."""

DEMO_THREADS = 1
"""Of the scripted provider in a demo."""


class StartError(TurnoutError):
    """The gateway cannot start in this process."""


_running = threading.Lock()
"""Held while a gateway runs in this process. Granian on a free-threaded Python starts a lifespan per worker thread, and
one process has room for one plane."""


def native() -> Native:
    """The native module. Imported here and not above, so that the launcher's process never loads it."""
    try:
        return cast("Native", importlib.import_module("turnout._native"))
    except ImportError as error:
        raise StartError(
            f"the native extension cannot be loaded, install the package again or build it with: make build ({error})"
        ) from error


@asynccontextmanager
async def running(
    worker: Worker | None, *, module: Native | None = None, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Gateway]:
    """Runs the gateway. Raises :class:`turnout.errors.TurnoutError` when it cannot start; nothing runs then."""
    if not _running.acquire(blocking=False):
        raise StartError(
            "a gateway already runs in this process; run granian with one worker (--workers 1), it needs no more"
        )
    try:
        with ExitStack() as undo:
            gateway, drain, watcher = await asyncio.to_thread(
                _start,
                undo,
                worker,
                module or native(),
                read_environment() if environment is None else environment,
                bridge.granian_socket(),
            )
            drain.install()
            watcher.start()
            async with AsyncExitStack() as beside:
                if gateway.control_socket == str(bridge.socket_path(gateway.state_dir)):
                    from turnout.control.app import control

                    await beside.enter_async_context(bridge.serving(control(gateway), Path(gateway.control_socket)))
                if worker is not None:
                    report.send(worker.reports, report.Started(pid=os.getpid(), addresses=gateway.addresses))
                try:
                    yield gateway
                finally:
                    await asyncio.to_thread(undo.close)
                    drain.uninstall()
    finally:
        _running.release()


def _start(
    undo: ExitStack,
    worker: Worker | None,
    module: Native,
    environment: Mapping[str, str],
    inherited: str | None,
) -> tuple[Gateway, Drain, Watcher]:
    if worker is not None:
        origin, state_dir = worker.origin, worker.state_dir
        _end_with_parent()
    else:
        origin = origin_of(Origin(), environment)
        state_dir = _own_state(undo, origin, environment)
    control_socket = inherited or str(bridge.socket_path(state_dir))
    demo_address = _demo(undo, module).address if origin.demo else ""
    wallet = Wallet()

    read_last: list[Loaded] = []
    vault = Vault(state_dir)
    shelf = Shelf(vault)

    def made(loaded: Loaded, own_keys: Sequence[OwnKey]) -> Ready:
        ready = compile_read(loaded, origin, environment, state_dir=state_dir, wallet=wallet, own_keys=own_keys)
        return with_presets(ready, shelf.presets())

    def build() -> Ready:
        loaded = load_origin(origin, environment, demo_address=demo_address)
        if not loaded.mistakes:
            vault.configured = loaded.encryption_keys
        ready = made(loaded, shelf.keys())
        read_last[:] = [loaded]
        return ready

    def rebuild() -> Ready:
        # Nothing was read when the start had to make do with the last good configuration of the worker before.
        return made(read_last[0], shelf.keys()) if read_last else build()

    def remake(own_keys: Sequence[OwnKey]) -> Ready:
        if not read_last:
            build()
        return made(read_last[0], own_keys)

    ready, broken = _first(build, worker)
    settings = ready.compiled.settings
    ledger = store.open_ledger(settings.ledger.url or store.sqlite_url(settings.ledger.path or state_dir / "ledger.db"))
    undo.callback(store.close_ledger, ledger)
    try:
        plane = module.Plane(
            ready.encoded,
            listeners=[listener.fileno() for listener in worker.sockets] if worker is not None else [],
            control_socket=control_socket,
            state_dir=str(state_dir),
        )
        if broken is not None:
            # Before the first request, so that health never says that all is well.
            plane.reload_failed(broken)
    except (OSError, ValueError, RuntimeError) as error:
        raise StartError(f"the native plane cannot start: {error}") from error
    writer = Writer(
        plane,
        ledger,
        rejected=state_dir / "ledger-rejected.jsonl",
        retention_days=settings.ledger.retention_days,
        batch_records=settings.ledger.batch_records,
        wait_ms=settings.ledger.flush_ms,
    )
    writer.start(inherit=True)
    undo.callback(_finish_ledger, writer)
    if not writer.open(timeout_s=LEDGER_OPEN_S):
        log.warning("the ledger did not answer: limits and credits do not know yet what was spent before this start")
    else:
        shelf.ledger = ledger
    try:
        stored = _with_stored(ready, shelf, rebuild)
        if stored is not ready:
            # Before the first request, so that none names a preset or needs a key in vain.
            plane.swap(stored.encoded)
            ready = stored
        addresses = plane.start()
    except (OSError, ValueError, RuntimeError) as error:
        raise StartError(f"the native plane cannot start: {error}") from error
    drain = Drain(plane)
    undo.callback(drain.stop)

    def taken(ready: Ready) -> None:
        wallet.keep(ready.compiled.sources)
        if worker is not None:
            report.send(worker.reports, report.Taken(ready))

    shelf.ledger = ledger
    reloader = Reloader(plane=plane, build=build, current=ready, on_good=taken, rebuild=rebuild, remake=remake)
    if broken is not None:
        reloader.failed(broken)
    watcher = Watcher(
        files=lambda: [
            *reloader.current.compiled.watched_files,
            keys.path(state_dir),
            state_dir / catalogue_data.UPDATED,
        ],
        on_change=reloader.reload,
    )
    undo.callback(watcher.stop)
    undo.callback(wallet.stop)
    wallet.start(reloader.refresh)
    follower = Follower(shelf, reloader, is_migrated=writer.ready)
    undo.callback(follower.stop)
    follower.start()
    gateway = Gateway(
        version=turnout.__version__,
        plane=plane,
        reloader=reloader,
        ledger=ledger,
        credits=Credits(ledger, plane),
        writer=writer,
        state_dir=state_dir,
        control_socket=control_socket,
        addresses=tuple(addresses),
        wallet=wallet,
        vault=vault,
    )
    return gateway, drain, watcher


def _first(build: Callable[[], Ready], worker: Worker | None) -> tuple[Ready, str | None]:
    """The configuration to start with: the one that is there, else the last good one, with the reason."""
    try:
        return build(), None
    except (TurnoutError, OSError) as error:
        if worker is None or worker.last_good is None or worker.origin.demo:
            raise
        return worker.last_good, str(error)


def _with_stored(ready: Ready, shelf: Shelf, rebuild: Callable[[], Ready]) -> Ready:
    """The same with what was handed in through the API before."""
    if not shelf.keys():
        return with_presets(ready, shelf.presets())
    try:
        stored = rebuild()
    except (TurnoutError, OSError) as error:
        # After a start from the last good configuration, which has the keys that there were.
        log.warning("the provider keys of the API are as they were before this start: %s", error)
        return with_presets(ready, shelf.presets())
    for warning in stored.compiled.warnings[len(ready.compiled.warnings) :]:
        log.warning("%s", warning)
    return stored


def _demo(undo: ExitStack, module: Native) -> Mock:
    mock = module.Mock("127.0.0.1:0", threads=DEMO_THREADS)
    undo.callback(mock.stop)
    return mock


def _own_state(undo: ExitStack, origin: Origin, environment: Mapping[str, str]) -> Path:
    """What the launcher does in its process otherwise: the state directory, and the keys of a first start.

    The keys are shown in the log, once.
    """
    loaded = load_origin(origin, environment)
    settings = compile_loaded(loaded, origin, environment).settings
    directory = state.prepare(loaded.state_dir or state.default_directory(environment))
    undo.callback(state.lock(directory, shared=True).release)
    if not logging.getLogger("turnout").handlers:
        logging.config.dictConfig(dict_config(level=settings.log.level, form=settings.log.format, granian=False))
    if not loaded.has_keys and (client := keys.ensure(directory, "client")) is not None:
        log.warning("made the first client key; it is shown this once: %s", client)
    if settings.admin_sha256 is None and (admin := keys.ensure(directory, "admin")) is not None:
        log.warning("made the admin key; it is shown this once: %s", admin)
    return directory


def _finish_ledger(writer: Writer) -> None:
    if not writer.finish(timeout_s=LEDGER_FINISH_S):
        log.warning("the ledger did not take everything; the rest stays in the journal and is booked at the next start")


def _end_with_parent() -> None:
    """Ends this worker when the launcher dies without telling it, so that none is left holding the sockets."""
    parent = parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="turnout-parent", daemon=True).start()
