"""The golden snapshot: what Python writes is what the Rust twin reads, byte for byte."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from turnout.config import snapshot
from turnout.config.compile import Compiled, compile, digested
from turnout.config.load import load

HERE = Path(__file__).parent
GOLDEN = HERE / "snapshot.golden.json"
ENVIRONMENT = {
    "ADMIN_KEY": "sk-to-admin-example",
    "CLIENT_KEY": "sk-to-v1-example-of-a-client",
    "OPENAI_API_KEY": "sk-openai-example",
    "GROQ_API_KEY": "gsk-example",
    "HTTPS_PROXY": "http://env-proxy.example.com:8080",
    "NO_PROXY": "api.groq.com",
}


@pytest.fixture
def full(tmp_path: Path) -> Compiled:
    for name, label in (("certificate.pem", "CERTIFICATE"), ("private_key.pem", "PRIVATE KEY")):
        (tmp_path / name).write_text(f"-----BEGIN {label}-----\n-----END {label}-----\n")
    (tmp_path / "second.key").write_text("sk-second-example\n")
    path = tmp_path / "turnout.yaml"
    path.write_bytes((HERE / "full.yaml").read_bytes())
    return compile(load(path, ENVIRONMENT), auth=True, environment=ENVIRONMENT)


def portable(full: Compiled, directory: Path) -> bytes:
    """The snapshot's bytes with the temporary folder called ``/etc/turnout``."""
    text = snapshot.encode(full.snapshot).decode().replace(str(directory), "/etc/turnout")
    moved = msgspec.json.decode(text, type=snapshot.Snapshot)
    return snapshot.encode(digested(moved))


def test_the_full_file_compiles_to_the_golden_bytes(full: Compiled, tmp_path: Path) -> None:
    """``TURNOUT_BLESS=1`` writes the file anew; the difference is then for a person to read."""
    made = portable(full, tmp_path) + b"\n"
    if os.environ.get("TURNOUT_BLESS"):
        GOLDEN.write_bytes(made)
    assert made == GOLDEN.read_bytes()


def test_the_golden_bytes_decode_to_the_same_snapshot() -> None:
    golden = GOLDEN.read_bytes().strip()
    decoded = msgspec.json.decode(golden, type=snapshot.Snapshot)
    assert snapshot.encode(decoded) == golden
    assert digested(decoded) == decoded


def test_the_fixture_uses_every_field() -> None:
    """Each field of the snapshot differs somewhere from null and from empty, so that Rust meets every type."""
    seen: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, msgspec.Struct):
            for name in value.__struct_fields__:
                part = getattr(value, name)
                if part not in (None, [], {}):
                    seen.add(f"{type(value).__name__}.{name}")
                walk(part)
        elif isinstance(value, list):
            for part in value:
                walk(part)

    walk(msgspec.json.decode(GOLDEN.read_bytes(), type=snapshot.Snapshot))
    expected: set[str] = set()

    def fields(struct: type[msgspec.Struct]) -> None:
        for field in msgspec.structs.fields(struct):
            expected.add(f"{struct.__name__}.{field.name}")
            for part in _types(field.type):
                if issubclass(part, msgspec.Struct):
                    fields(part)

    fields(snapshot.Snapshot)
    assert expected - seen == set()


def _types(annotation: Any) -> list[type]:
    """Every class in an annotation."""
    parts = getattr(annotation, "__args__", ())
    return (
        [annotation] if isinstance(annotation, type) and not parts else [one for part in parts for one in _types(part)]
    )


def test_what_holds_a_secret_does_not_print_it(full: Compiled) -> None:
    shown = repr(full) + str(full.snapshot) + repr(full.settings)
    secrets = ("sk-openai-example", "sk-second-example", "gsk-example", "p%40ss", "org-example", "admin-example")
    for secret in (*secrets, "query-example", "AKIAEXAMPLE", "aws-secret-example", "aws-token-example"):
        assert secret not in shown
    assert "sk-openai-example" in snapshot.encode(full.snapshot).decode()


def test_the_watched_files_are_the_file_and_all_it_names(full: Compiled, tmp_path: Path) -> None:
    names = {path.relative_to(tmp_path).name for path in full.watched_files}
    assert names == {"turnout.yaml", "certificate.pem", "private_key.pem", "second.key"}


def test_the_settings_are_what_the_plane_does_not_need(full: Compiled, tmp_path: Path) -> None:
    settings = full.settings
    assert settings.state_dir == tmp_path / "state"
    assert settings.ledger.path == tmp_path / "books.db"
    assert (settings.ledger.batch_records, settings.ledger.flush_ms, settings.ledger.retention_days) == (100, 1000, 90)
    assert (settings.log.level, settings.log.format) == ("debug", "json")
    assert settings.admin_sha256 is not None
    assert len(settings.admin_sha256) == 64
