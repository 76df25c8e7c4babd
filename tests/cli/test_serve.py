"""``turnout serve``: its start-up text, and the whole of it as processes around a plane in plain Python."""

from __future__ import annotations

import json
import os
import select
import shlex
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import turnout
from tests.fake.gateways import CLIENT, CONFIG, bearer
from tests.plane.harness import eventually
from turnout import keys, launch
from turnout.cli import serve
from turnout.reload import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator

SITE = Path(__file__).parent.parent / "fake" / "site"


def prepared_of(tmp_path: Path, **changes: Any) -> launch.Prepared:
    options: dict[str, Any] = {"listen": ("127.0.0.1:0",), "state_dir": tmp_path / "state", **changes}
    prepared = launch.prepare(Origin(**options), {"HOME": str(tmp_path)})
    for bound in prepared.sockets:
        bound.close()
    prepared.lock.release()
    return prepared


def text_of(prepared: launch.Prepared, address: str = "127.0.0.1:4000", *, asked_for_demo: bool = False) -> str:
    return "\n".join(line.plain for line in serve.welcome(prepared, [address], asked_for_demo=asked_for_demo))


def test_a_demo_says_that_it_is_one_and_how_to_get_a_real_provider(tmp_path: Path) -> None:
    shown = text_of(prepared_of(tmp_path, demo=True))
    assert "this is a demo" in shown
    assert "OPENAI_API_KEY=" in shown
    assert "turnout init" in shown
    assert "http://127.0.0.1:4000/v1" in shown
    assert str(tmp_path / "state") in shown


def test_the_keys_of_a_first_start_are_shown_once(tmp_path: Path) -> None:
    first = prepared_of(tmp_path, demo=True)
    shown = text_of(first)
    assert shown.count(str(first.new_keys.client)) == 2
    assert shown.count(str(first.new_keys.admin)) == 1
    second = text_of(prepared_of(tmp_path, demo=True))
    assert str(first.new_keys.client) not in second
    assert "sk-to-admin-" not in second
    assert "turnout key new" in second


def test_the_curl_line_is_a_shell_line_with_key_model_and_address(tmp_path: Path) -> None:
    prepared = prepared_of(tmp_path, demo=True)
    words = shlex.split(serve.curl(prepared, "http://127.0.0.1:4000"))
    assert words[0] == "curl"
    assert words[-1] == "http://127.0.0.1:4000/v1/chat/completions"
    assert f"Authorization: Bearer {prepared.new_keys.client}" in words
    assert json.loads(words[words.index("-d") + 1])["model"] == "demo/echo"


def test_a_later_demo_has_a_key_in_its_curl_line_too(tmp_path: Path) -> None:
    prepared_of(tmp_path, demo=True)
    later = prepared_of(tmp_path, demo=True)
    assert str(later.new_keys.session) in serve.curl(later, "http://127.0.0.1:4000")


def test_a_key_that_cannot_be_shown_is_a_variable_that_the_shell_puts_in(tmp_path: Path) -> None:
    (tmp_path / "turnout.yaml").write_text(CONFIG)
    line = serve.curl(prepared_of(tmp_path, config=tmp_path / "turnout.yaml"), "http://127.0.0.1:4000")
    assert '"Authorization: Bearer $TURNOUT_KEY"' in line
    assert CLIENT not in line


def test_without_authentication_the_curl_line_has_no_key(tmp_path: Path) -> None:
    prepared = prepared_of(tmp_path, demo=True, auth=False)
    assert "Authorization" not in serve.curl(prepared, "http://127.0.0.1:4000")
    assert "No key is asked for" in text_of(prepared)


def test_with_patterns_only_the_curl_line_asks_for_the_models(tmp_path: Path) -> None:
    (tmp_path / "turnout.yaml").write_text("providers: {ollama: {}}\nmodels: {ollama/*: {provider: ollama}}\n")
    prepared = prepared_of(tmp_path, config=tmp_path / "turnout.yaml")
    assert serve.curl(prepared, "http://127.0.0.1:4000").endswith("http://127.0.0.1:4000/v1/models")


@pytest.mark.parametrize(
    ("address", "reachable"),
    [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("192.0.2.1:1", "192.0.2.1:1")],
)
def test_the_curl_line_uses_an_address_that_can_be_reached(tmp_path: Path, address: str, reachable: str) -> None:
    assert f"http://{reachable}/v1/chat" in text_of(prepared_of(tmp_path, demo=True), address)


def test_mistakes_are_printed_and_nothing_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "turnout.yaml"
    file.write_text("nonsense: 1\nserver: {listn: x}\n")
    assert serve.serve(config=file, listen=(), demo=False, auth=True, state_dir=tmp_path / "s", threads=None) == 1
    shown = capsys.readouterr().err
    assert "nonsense" in shown
    assert "listn" in shown
    assert not (tmp_path / "s").exists()


def client_sha256(tmp_path: Path) -> str:
    stored = keys.load(tmp_path / "state").client
    assert stored is not None
    return stored.sha256


class Running:
    """A started ``turnout serve``."""

    def __init__(self, process: subprocess.Popen[str], base: str, shown: str, errors: Path) -> None:
        self.process, self.base, self.shown, self.errors = process, base, shown, errors

    def get(self, path: str, *, key: str | None = None, method: str = "GET") -> tuple[int, Any]:
        request = urllib.request.Request(self.base + path, headers=bearer(key) if key else {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def worker(self) -> int:
        return int(self.get("/health/ready")[1]["pid"])

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def started(tmp_path: Path, *options: str, config: str | None = None, prelude: str = "") -> Iterator[Running]:
    """Starts it on a free port and waits for its text; ends it if the test did not."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")},
        "PYTHONPATH": os.pathsep.join([str(SITE), str(Path(turnout.__file__).parent.parent)]),
        "HOME": str(tmp_path),
        "TURNOUT_TEST_IMPORTS": str(tmp_path / "imports"),
    }
    environment.pop("TURNOUT_CONFIG", None)
    environment.pop("XDG_STATE_HOME", None)
    arguments = ["serve", "--listen", "127.0.0.1:0", "--state", str(tmp_path / "state"), *options]
    if config is not None:
        (tmp_path / "turnout.yaml").write_text(config)
    main = tmp_path / "main.py"
    main.write_text(
        f"import sys\nif __name__ == '__main__':\n    {prelude or 'pass'}\n"
        f"    sys.argv = {['turnout', *arguments]!r}\n    from turnout.cli import main\n    main()\n"
    )
    errors = tmp_path / "errors"
    with errors.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, str(main)], stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment, cwd=tmp_path
        )
    assert process.stdout is not None
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("curl"):
                break
        else:
            pytest.fail(f"it did not start: {errors.read_text()}")
        base = next(line.split()[1].removesuffix("/v1") for line in lines if line.strip().startswith("serving"))
        yield Running(process, base, "".join(lines), errors)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)
        process.stdout.close()


def test_it_serves_ends_by_sigterm_and_leaves_the_directory_to_the_next(tmp_path: Path) -> None:
    for _ in range(2):
        with started(tmp_path) as running:
            assert running.get("/health/ready")[0] == 200
            key = shlex.split(running.shown.splitlines()[-1])[2].removeprefix("Authorization: Bearer ")
            # The control side opens a moment after the plane is ready.
            eventually(lambda key=key: running.get("/v1/key", key=key)[0] == 200, "the control side answers")
            assert running.get("/v1/key")[0] == 401
            parent, worker = running.process.pid, running.worker()
            assert worker != parent
            # The launcher's own process never loads the native module.
            assert str(parent) not in (tmp_path / "imports").read_text().split()
            assert running.stop() == 0
    assert not (tmp_path / "state" / "control.sock").exists()


def test_ctrl_c_ends_it_as_well(tmp_path: Path) -> None:
    with started(tmp_path) as running:
        assert running.stop(signal.SIGINT) == 0
        assert "Traceback" not in running.errors.read_text()


def test_a_killed_worker_is_replaced_while_clients_wait(tmp_path: Path) -> None:
    with started(tmp_path) as running:
        first = running.worker()
        os.kill(first, signal.SIGKILL)
        # This request is accepted by the kernel before there is a worker to answer it.
        assert running.worker() != first
        assert running.stop() == 0


def test_sighup_replaces_the_worker_and_refuses_nobody(tmp_path: Path) -> None:
    with started(tmp_path) as running:
        first = running.worker()
        old = os.pidfd_open(first)
        running.process.send_signal(signal.SIGHUP)
        seen = {first}
        # The descriptor of a process is readable when the process has ended; until then requests go on.
        while not select.select([old], [], [], 0.02)[0]:
            seen.add(running.worker())
        os.close(old)
        assert running.worker() != first
        assert len(seen) == 2
        assert running.stop() == 0


def test_a_crash_while_the_file_is_broken_starts_from_the_last_good_one(tmp_path: Path) -> None:
    with started(tmp_path, "-c", "turnout.yaml", config=CONFIG) as running:
        digest = running.get("/health/ready")[1]["digest"]
        (tmp_path / "turnout.yaml").write_text("nonsense: 1\n")
        first = running.worker()
        os.kill(first, signal.SIGKILL)
        health = running.get("/health/ready")[1]
        assert health["pid"] != first
        assert health["digest"] == digest
        assert "nonsense" in health["reload_error"]
        assert running.stop() == 0


def test_it_works_when_processes_are_spawned_not_forked(tmp_path: Path) -> None:
    prelude = "import multiprocessing; multiprocessing.set_start_method('spawn')"
    with started(tmp_path, prelude=prelude) as running:
        first = running.worker()
        os.kill(first, signal.SIGKILL)
        assert running.worker() != first
        assert running.stop() == 0


def test_a_worker_ends_when_its_parent_was_killed(tmp_path: Path) -> None:
    with started(tmp_path) as running:
        worker = os.pidfd_open(running.worker())
        running.process.kill()
        running.process.wait(10)
        # A process's descriptor is readable when the process has ended.
        assert select.select([worker], [], [], 30)[0]
        os.close(worker)


def test_a_worker_that_never_starts_ends_it_with_the_reason(tmp_path: Path) -> None:
    with (tmp_path / "native.py").open("w") as broken:
        broken.write("raise ImportError('built for another Python')\n")
    prelude = (
        "import importlib.util, importlib.abc;"
        f" spec = lambda *a: importlib.util.spec_from_file_location(a[1], {str(tmp_path / 'native.py')!r})"
        " if a[1] == 'turnout._native' else None;"
        " sys.meta_path.insert(0, type('F', (importlib.abc.MetaPathFinder,), {'find_spec': spec})())"
    )
    with pytest.raises(pytest.fail.Exception, match="cannot be loaded"), started(tmp_path, prelude=prelude):
        pass
    said = (tmp_path / "errors").read_text()
    assert said.count("Turnout cannot start") == 1
    # The keys are stored by then, so they are shown all the same.
    assert keys.digest(said.split("Client key, shown this once:")[1].split()[0]) == client_sha256(tmp_path)
