"""The parts together: all mistakes at once, a digest, and size."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest
from written import LOCAL, compiled, told

from turnout.config import snapshot
from turnout.config.compile import compile, digested
from turnout.config.load import read
from turnout.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def test_mistakes_of_shape_and_between_sections_are_told_together_without_echoes(tmp_path: Path) -> None:
    text = """\
        server: {listen: nonsense}
        providers:
          local: {base_url: not-a-url}
          good: {base_url: "http://h/v1"}
        models:
          a/one: local
          a/two: {endpoints: [{provider: good, wrong: 1}, {provider: godo}]}
        keys:
          - {name: x}
          - {nmae: y, key: sk-0123456789abcdef}
          - {name: z, models: [a/tow]}
        aliases: {q: a/nothing}
        """
    assert [(line, key) for line, key, _ in told(tmp_path, text)] == [
        (1, "server.listen[0]"),
        (3, "providers.local.base_url"),
        (7, "models.a/two.endpoints[0].wrong"),
        (7, "models.a/two.endpoints[1].provider"),
        (9, "keys[0]"),
        (10, "keys[1].name"),
        (10, "keys[1].nmae"),
        (11, "keys[2]"),
        (11, "keys[2].models[0]"),
        (12, "aliases.q"),
    ]


def test_a_wrong_list_member_does_not_shift_the_places_of_the_others(tmp_path: Path) -> None:
    text = "keys:\n  - 7\n  - {name: a}\n  - [x]\n  - {name: b}\n"
    assert [(line, key) for line, key, _ in told(tmp_path, text)] == [
        (2, "keys[0]"),
        (3, "keys[1]"),
        (4, "keys[2]"),
        (5, "keys[3]"),
    ]


def test_the_digest_changes_with_the_content(tmp_path: Path) -> None:
    one, two = compiled(tmp_path, LOCAL).snapshot, compiled(tmp_path, LOCAL + "log: {level: debug}").snapshot
    assert one.digest == two.digest == digested(one).digest
    assert compiled(tmp_path, LOCAL + "server: {threads: 3}").snapshot.digest != one.digest


@pytest.mark.timeout(300)  # six seconds of work, on a machine that may be busy
def test_a_hundred_thousand_keys_and_five_thousand_models_compile() -> None:
    """Bounds what is kept, not the time; a quadratic step would meet the time limit of the test."""
    keys = "\n".join(
        f"  - {{name: key-{n}, sha256: {hashlib.sha256(str(n).encode()).hexdigest()}, models: [a{n % 50}/*]}}"
        for n in range(100_000)
    )
    models = "\n".join(
        f"  a{n % 50}/m-{n}: {{provider: local, prices: {{prompt: 1, completion: 2}}}}" for n in range(5_000)
    )
    loaded = read("big", f"{LOCAL}models:\n{models}\nkeys:\n{keys}\n".encode(), {}, path=None)
    made = compile(loaded, auth=True, environment={}).snapshot
    assert (len(made.keys), len(made.models)) == (100_000, 5_000)
    encoded = snapshot.encode(made)
    assert len(encoded) < 32_000_000
    assert json.loads(encoded)["keys"][-1]["name"] == "key-99999"


def test_many_mistakes_are_counted_and_not_all_listed(tmp_path: Path) -> None:
    text = "aliases:\n" + "\n".join(f"  x{n}: a/none-{n}" for n in range(1_000))
    with pytest.raises(ConfigError) as raised:
        compiled(tmp_path, text)
    assert len(raised.value.mistakes) == 201
    assert str(raised.value.mistakes[-1]).endswith("and 800 more mistakes")
