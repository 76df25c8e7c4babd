"""From an origin to a running snapshot, at the start and again whenever the configuration changes.

An :class:`Origin` says where the configuration comes from: a file, the environment or the demo, with what the command
line changes. :func:`compile_origin` makes the snapshot of it, whole or not at all. A :class:`Reloader` does that beside
the running one and swaps; when any step fails the running snapshot stays, and the plane is told, so that health and
metrics show it. Requests in flight keep the snapshot with which they began.

:class:`Watcher` looks at the files once a second. Polling sees every kind of replacement (an editor's rename, a mounted
volume's new symbolic link) on every kind of file system, and costs a few system calls.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import msgspec

from turnout import keys
from turnout.auth.source import unfetched
from turnout.config import demo, preset, snapshot
from turnout.config.compile import Compiled, compile, detected, digested
from turnout.config.load import find, load
from turnout.errors import TurnoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from turnout.auth.source import Source
    from turnout.auth.wallet import Wallet
    from turnout.config.load import Loaded
    from turnout.config.own import OwnKey
    from turnout.config.snapshot import Credential, Key
    from turnout.ledger import presets

log = logging.getLogger("turnout.reload")

POLL_S = 1.0
"""Pause between two looks at the files. A change must look the same twice before it is read, so that a file which is
still being written is not."""

STORED_KEY_NAME = "default"
"""Name in the ledger of the client key that Turnout made itself."""

SESSION_KEY_NAME = "this run"
"""The same for the key that a demo makes for one run."""

UNBOUND_DEMO = "127.0.0.1:1"
"""Stands for the scripted provider's address where a demo is only checked, not run."""


@dataclass(frozen=True)
class Origin:
    """Where the configuration comes from. Plain values: it crosses to the worker process."""

    config: Path | None = None
    """The file; ``None`` means what the environment offers."""
    demo: bool = False
    """The scripted provider in place of the configured ones."""
    auth: bool = True
    """False: ``--no-auth``."""
    listen: tuple[str, ...] = ()
    """Addresses that replace ``server.listen``; empty: those of the configuration."""
    threads: int | None = None
    """Replaces ``server.threads``."""
    state_dir: Path | None = None
    """Replaces ``server.state_dir``."""
    session_key_sha256: str | None = None
    """A further client key that is good for this run only; the demo's."""


@dataclass(frozen=True)
class Ready:
    """A compiled configuration with what is derived from it once."""

    compiled: Compiled
    encoded: bytes = field(repr=False)
    """The snapshot as the plane takes it."""
    keys: Mapping[str, Key]
    """Client keys by their hash."""
    admin_sha256: str | None
    """Hash of the admin key; ``None``: there is none, and the admin API lets nobody in."""
    own_keys: tuple[OwnKey, ...] = field(default=(), repr=False)
    """The provider keys of the API that are in it, in clear."""

    @property
    def snapshot(self) -> snapshot.Snapshot:
        """What the plane runs, or will."""
        return self.compiled.snapshot


def origin_of(origin: Origin, environment: Mapping[str, str]) -> Origin:
    """The same with its file found, and turned into a demo when there is neither a file nor a provider's key."""
    config = find(origin.config, environment)
    if config is None and not detected(environment):
        return replace(origin, config=None, demo=True)
    return replace(origin, config=config.absolute() if config is not None else None)


def load_origin(origin: Origin, environment: Mapping[str, str], *, demo_address: str = UNBOUND_DEMO) -> Loaded:
    """Reads the origin's configuration. Mistakes are in the result; :func:`compile_loaded` raises them."""
    loaded = load(origin.config, environment)
    return demo.config(demo_address, loaded) if origin.demo else loaded


def compile_loaded(
    loaded: Loaded,
    origin: Origin,
    environment: Mapping[str, str],
    *,
    extra_keys: Sequence[Key] = (),
    tokens: Callable[[Source], Credential | None] = unfetched,
    own_keys: Sequence[OwnKey] = (),
) -> Compiled:
    """Compiles, with what the command line changes. Raises :class:`turnout.errors.ConfigError` with every mistake."""
    compiled = compile(
        loaded,
        auth=origin.auth,
        environment=environment,
        extra_keys=extra_keys,
        state_dir=origin.state_dir,
        tokens=tokens,
        own_keys=own_keys,
    )
    server = compiled.snapshot.server
    if origin.listen:
        server = msgspec.structs.replace(server, listen=list(origin.listen))
    if origin.threads is not None:
        server = msgspec.structs.replace(server, threads=origin.threads)
    if server is compiled.snapshot.server:
        return compiled
    changed = digested(msgspec.structs.replace(compiled.snapshot, server=server))
    return msgspec.structs.replace(compiled, snapshot=changed)


def compile_origin(
    origin: Origin,
    environment: Mapping[str, str],
    *,
    state_dir: Path,
    demo_address: str = UNBOUND_DEMO,
    wallet: Wallet | None = None,
) -> Ready:
    """Makes the snapshot of an origin. Raises :class:`turnout.errors.TurnoutError`; nothing has happened then.

    ``wallet`` fetches what new sources there are, which may take seconds. Without one the snapshot is only good for
    looking at, if it has sources.
    """
    loaded = load_origin(origin, environment, demo_address=demo_address)
    return compile_read(loaded, origin, environment, state_dir=state_dir, wallet=wallet)


def compile_read(
    loaded: Loaded,
    origin: Origin,
    environment: Mapping[str, str],
    *,
    state_dir: Path,
    wallet: Wallet | None = None,
    own_keys: Sequence[OwnKey] = (),
) -> Ready:
    """The same from what was read already, with the provider keys of the API."""
    stored = keys.load(state_dir)
    own: list[Key] = []
    if stored.client is not None and not loaded.has_keys:
        own.append(keys.as_client_key(stored.client.sha256, STORED_KEY_NAME))
    if origin.session_key_sha256 is not None:
        own.append(keys.as_client_key(origin.session_key_sha256, SESSION_KEY_NAME))
    tokens = unfetched if wallet is None else wallet.credential

    def compiled_now() -> Compiled:
        return compile_loaded(loaded, origin, environment, extra_keys=own, tokens=tokens, own_keys=own_keys)

    compiled = compiled_now()
    if wallet is not None and wallet.fetch(compiled.sources):
        # Now that there are tokens, the providers that wait for them are on.
        compiled = compiled_now()
    return Ready(
        compiled=compiled,
        encoded=snapshot.encode(compiled.snapshot),
        keys={key.sha256: key for key in compiled.snapshot.keys},
        admin_sha256=compiled.settings.admin_sha256 or (stored.admin.sha256 if stored.admin is not None else None),
        own_keys=tuple(own_keys),
    )


def with_presets(ready: Ready, stored: Sequence[presets.Preset]) -> Ready:
    """The same with the presets that were made through the API; those of the configuration win."""
    of_file = ready.compiled.presets
    taken = {one.slug for one in of_file}
    made = list(of_file)
    for one in stored:
        if one.slug in taken:
            continue
        newest = one.designated
        try:
            made.append(
                preset.compiled(one.slug, newest.config, system=newest.system_prompt, disabled=one.status != "active")
            )
        except preset.PresetError as error:
            log.warning("the preset %s is left out: %s", one.slug, error)
    if made == ready.snapshot.presets:
        return ready
    changed = digested(msgspec.structs.replace(ready.snapshot, presets=made))
    compiled = msgspec.structs.replace(ready.compiled, snapshot=changed)
    return replace(ready, compiled=compiled, encoded=snapshot.encode(changed))


def muted(ready: Ready, provider: str, label: str) -> Ready:
    """The same with a provider's key that nobody may use any more, and without its secret."""

    def nobodys(one: Credential) -> Credential:
        if one.label != label:
            return one
        rules = snapshot.CredentialRules(models=[], keys=[], users=[])
        return msgspec.structs.replace(one, value="", sigv4=None, scheme="header", name="authorization", rules=rules)

    providers = [
        msgspec.structs.replace(one, credentials=[nobodys(credential) for credential in one.credentials])
        if one.slug == provider
        else one
        for one in ready.snapshot.providers
    ]
    changed = digested(msgspec.structs.replace(ready.snapshot, providers=providers))
    compiled = msgspec.structs.replace(ready.compiled, snapshot=changed)
    left = tuple(key for key in ready.own_keys if key.label != label)
    return replace(ready, compiled=compiled, encoded=snapshot.encode(changed), own_keys=left)


class Swapping(Protocol):
    """What a reload needs of the plane."""

    def swap(self, snapshot: bytes) -> int:
        """See ``turnout._native.Plane``."""

    def reload_failed(self, message: str) -> None:
        """See ``turnout._native.Plane``."""


@dataclass(frozen=True)
class Outcome:
    """What a reload came to."""

    digest: str
    """Of the snapshot that runs now."""
    changed: bool
    error: str | None
    """Why the running snapshot stayed, or ``None``."""
    warnings: tuple[str, ...] = ()


@dataclass
class Reloader:
    """Holds the last good configuration. Reloads come from the watcher's thread and from the API: one at a time."""

    plane: Swapping
    build: Callable[[], Ready]
    """Reads everything anew."""
    current: Ready
    on_good: Callable[[Ready], None] = lambda ready: None
    """Told of each configuration that was taken, while the lock is held."""
    rebuild: Callable[[], Ready] | None = None
    """Compiles what was read last; ``None``: :attr:`build` does."""
    remake: Callable[[Sequence[OwnKey]], Ready] | None = None
    """The same with these provider keys in place of those that the database has."""
    last_error: str | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def reload(self) -> Outcome:
        """Reads everything again and swaps when it is good. Blocks; never raises for a wrong configuration."""
        with self._lock:
            try:
                ready = self.build()
                self.plane.swap(ready.encoded)
            except (TurnoutError, OSError, ValueError) as error:
                return self.failed(str(error))
            before, self.current, self.last_error = self.current, ready, None
            self._warn(before)
            self.on_good(ready)
            changed = before.snapshot.digest != ready.snapshot.digest
            log.info("configuration %s is in place%s", ready.snapshot.digest, "" if changed else ", the same as before")
            return Outcome(
                digest=ready.snapshot.digest,
                changed=changed,
                error=None,
                warnings=ready.compiled.warnings,
            )

    def refresh(self) -> None:
        """Puts renewed credentials in place. Blocks.

        What was read last is compiled again, so that a file which is wrong meanwhile does not keep a token from being
        replaced before it ends. Its mistake goes on to be shown.
        """
        with self._lock:
            try:
                ready = (self.rebuild or self.build)()
                self.plane.swap(ready.encoded)
            except (TurnoutError, OSError, ValueError) as error:
                self.failed(str(error))
                return
            self._placed(ready)
            log.info("renewed credentials are in place")

    def amend(self, change: Callable[[Ready], Ready]) -> None:
        """Puts a part that is no part of the configuration's files in place. Blocks; raises what the plane raises."""
        with self._lock:
            ready = change(self.current)
            if ready is self.current:
                return
            self.plane.swap(ready.encoded)
            self._placed(ready)

    def follow(self, change: Callable[[Ready], Ready]) -> bool:
        """The same for what another process changed, where nobody waits for an answer; true when it is in place.

        What stands in the way is shown as a failed reload is. Raises what ``change`` raises of other kinds.
        """
        with self._lock:
            try:
                ready = change(self.current)
                if ready is self.current:
                    return False
                self.plane.swap(ready.encoded)
            except (TurnoutError, OSError, ValueError) as error:
                self.failed(str(error))
                return False
            self._placed(ready)
            return True

    def remade(self, own_keys: Sequence[OwnKey]) -> Ready:
        """What :attr:`remake` gives; for :meth:`amend`. Raises :class:`turnout.errors.TurnoutError`."""
        if self.remake is None:
            raise TurnoutError("this gateway takes no provider keys")
        return self.remake(own_keys)

    def failed(self, message: str) -> Outcome:
        """Notes that a configuration could not be taken, and that the running one goes on."""
        self.last_error = message
        self.plane.reload_failed(message)
        digest = self.current.snapshot.digest
        log.error("the configuration was not reloaded, %s goes on: %s", digest, message)
        return Outcome(digest=digest, changed=False, error=message)

    def _placed(self, ready: Ready) -> None:
        """Notes what was swapped in without the files being read anew."""
        self.current = ready
        if self.last_error is not None:
            # A swap ends what health shows of a failed reload. The mistake is still there, and goes on to be shown.
            self.plane.reload_failed(self.last_error)
        self.on_good(ready)

    def _warn(self, before: Ready) -> None:
        for warning in self.current.compiled.warnings:
            log.warning("%s", warning)
        old, new = before.snapshot.server, self.current.snapshot.server
        for name in ("listen", "threads"):
            if getattr(old, name) != getattr(new, name):
                log.warning("server.%s is only read at start; restart to apply it", name)


Stamp = tuple[int, int, int] | None


def stamp(file: Path) -> Stamp:
    """What changes when a file does: its time, size and inode; ``None`` when it is not there."""
    try:
        found = file.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)


class Watcher:
    """The thread that looks at the files. :meth:`look` is one look, for tests as well."""

    def __init__(
        self, *, files: Callable[[], Sequence[Path]], on_change: Callable[[], object], poll_s: float = POLL_S
    ) -> None:
        self._files = files
        self._on_change = on_change
        self._poll_s = poll_s
        self._seen = self._stamps()
        self._pending: dict[Path, Stamp] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="turnout-watcher", daemon=True)

    def start(self) -> None:
        """Starts looking."""
        self._thread.start()

    def stop(self) -> None:
        """Stops, and waits for a reload that is under way."""
        self._stop.set()
        self._thread.join()

    def look(self) -> bool:
        """Looks once; true when a change was found settled and has been handed on."""
        now = self._stamps()
        if now == self._seen:
            self._pending = None
            return False
        if now != self._pending:
            self._pending = now
            return False
        self._on_change()
        # A reload may have brought other files to watch. They count from here on; what changed in between is seen next.
        self._seen = {file: now.get(file, stamp(file)) for file in self._files()}
        self._pending = None
        return True

    def _stamps(self) -> dict[Path, Stamp]:
        return {file: stamp(file) for file in self._files()}

    def _run(self) -> None:
        while not self._stop.wait(self._poll_s):
            try:
                self.look()
            except Exception:
                # A bug in one reload must not end the watching.
                log.exception("looking at the configuration's files failed; it goes on")
