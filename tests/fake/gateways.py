"""A gateway around the plane in plain Python, with a ledger in a file: what the control API is tested against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fake.native import Plane
from turnout import keys
from turnout.auth.wallet import Wallet
from turnout.gateway import Gateway
from turnout.ledger import store
from turnout.ledger.credits import Credits
from turnout.ledger.writer import Writer
from turnout.reload import Origin, Ready, Reloader, compile_read, load_origin, with_presets
from turnout.shelf import Shelf
from turnout.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from turnout.config.own import OwnKey

CLIENT = "sk-test-client-0123456789"
DISABLED = "sk-test-disabled-0123456789"
EXPIRED = "sk-test-expired-0123456789"
ADMIN = "sk-test-admin-0123456789"
UPSTREAM = "sk-upstream-secret"

CONFIG = f"""
server:
  admin_key: {ADMIN}
keys:
  - {{name: me, key: {CLIENT}}}
  - {{name: off, key: {DISABLED}, disabled: true}}
  - {{name: old, key: {EXPIRED}, expires: 2020-01-01}}
providers:
  openai:
    api_key: {UPSTREAM}
    headers: {{x-team: team-secret}}
    proxy: http://user:proxy-secret@127.0.0.1:3128
catalogue: false
routers: false
models:
  openai/gpt:
    provider: openai
    model: gpt
    prices: {{prompt: 2.5, completion: 10}}
"""


def gateway(tmp_path: Path, *, config: str = CONFIG, auth: bool = True) -> Gateway:
    """A gateway that has started nothing; its configuration is ``tmp_path / "turnout.yaml"``."""
    file = tmp_path / "turnout.yaml"
    file.write_text(config)
    origin = Origin(config=file, auth=auth)

    shelf = Shelf(Vault(tmp_path))

    def remake(own_keys: Sequence[OwnKey]) -> Ready:
        loaded = load_origin(origin, {})
        shelf.vault.configured = loaded.encryption_keys
        ready = compile_read(loaded, origin, {}, state_dir=tmp_path, own_keys=own_keys)
        return with_presets(ready, shelf.presets())

    def build() -> Ready:
        return remake(shelf.keys())

    ready = build()
    plane = Plane(ready.encoded, listeners=[], control_socket=None, state_dir=str(tmp_path))
    ledger = store.open_ledger(store.sqlite_url(tmp_path / "ledger.db"))
    store.migrate(ledger)
    shelf.ledger = ledger
    return Gateway(
        version="1.2.3",
        plane=plane,
        reloader=Reloader(plane=plane, build=build, current=ready, remake=remake),
        ledger=ledger,
        credits=Credits(ledger, plane),
        writer=Writer(plane, ledger, rejected=tmp_path / "rejected.jsonl"),
        state_dir=tmp_path,
        control_socket=str(tmp_path / "control.sock"),
        addresses=("127.0.0.1:4000",),
        wallet=Wallet(),
        vault=shelf.vault,
    )


def bearer(key: str) -> dict[str, str]:
    """The header that presents a key."""
    return {"authorization": f"Bearer {key}"}


CLIENT_SHA256 = keys.digest(CLIENT)
