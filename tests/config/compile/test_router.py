"""The routers: their names, what they may choose, and how good models are thought to be."""

from __future__ import annotations

import json
import re
from pathlib import Path

from written import compiled, told

from turnout.config import snapshot
from turnout.config.compile.router import TASKS

ROOT = Path(__file__).parents[3]
BASE = """
providers: {local: {base_url: http://127.0.0.1:8080/v1}}
models:
  openai/gpt-5.4: local
  mine/own: local
"""


def test_they_are_on_by_default_under_openrouters_names_and_ours(tmp_path: Path) -> None:
    routers = compiled(tmp_path, BASE).snapshot.routers
    assert [(one.kind, one.names) for one in routers] == [
        ("auto", ["openrouter/auto", "openrouter/auto-beta", "turnout/auto"]),
        ("free", ["openrouter/free", "turnout/free"]),
        ("pareto", ["openrouter/pareto-code", "turnout/pareto-code"]),
    ]
    assert {one.cost_tier for one in routers} == {"low"}
    assert {one.coding_score_min for one in routers} == {660}
    card = json.loads(routers[0].card)
    assert (card["id"], card["architecture"]["tokenizer"]) == ("openrouter/auto", "Router")
    assert card["pricing"] == {"prompt": "-1", "completion": "-1"}


def test_each_can_be_turned_off_and_set(tmp_path: Path) -> None:
    text = (
        BASE
        + """
routers:
  auto: {cost_tier: max, allowed_models: "openai/*", excluded_models: ["*/o1"], pools: {code: [mine/own]}}
  free: false
  pareto_code: {min_coding_score: 0.25, excluded_models: mine/*}
"""
    )
    auto, pareto = compiled(tmp_path, text).snapshot.routers
    assert (auto.cost_tier, auto.allowed, auto.excluded) == ("max", ["openai/*"], ["*/o1"])
    assert auto.pools == {"code": ["mine/own"]}
    assert (pareto.coding_score_min, pareto.excluded, pareto.pools) == (250, ["mine/*"], {})


def test_a_name_that_the_file_gives_away_is_not_the_routers(tmp_path: Path) -> None:
    text = BASE.replace("mine/own: local", "openrouter/auto: local") + "aliases: {turnout/free: openai/gpt-5.4}\n"
    auto, free, _ = compiled(tmp_path, text).snapshot.routers
    assert auto.names == ["openrouter/auto-beta", "turnout/auto"]
    assert free.names == ["openrouter/free"]


def test_an_alias_may_mean_a_router(tmp_path: Path) -> None:
    text = BASE + "aliases: {smart: turnout/auto, cheap: openrouter/free, turnout/free: mine/own}\n"
    made = compiled(tmp_path, text).snapshot
    assert made.aliases == {"smart": "openrouter/auto", "cheap": "openrouter/free", "turnout/free": "mine/own"}
    off = BASE + "aliases: {smart: turnout/auto}\nrouters: false\n"
    assert "there is no model turnout/auto" in told(tmp_path, off)[0][2]


def test_without_a_model_to_choose_there_is_none(tmp_path: Path) -> None:
    assert compiled(tmp_path, "providers: {local: {base_url: http://127.0.0.1:8080/v1}}").snapshot.routers == []
    vectors = BASE.replace("openai/gpt-5.4: local", "a/b: {provider: local, output_modalities: [embeddings]}").replace(
        "  mine/own: local\n", ""
    )
    assert compiled(tmp_path, vectors).snapshot.routers == []


def test_a_pool_is_for_a_task_that_there_is(tmp_path: Path) -> None:
    found = told(tmp_path, BASE + "routers: {auto: {pools: {maths: [mine/own]}}}\n")
    assert [path for _, path, _ in found] == ["routers.auto.pools.maths"]
    assert "there are agent, agent:coding" in found[0][2]


def test_tasks_are_those_of_the_plane() -> None:
    source = (ROOT / "rust/wire/src/classify/mod.rs").read_text(encoding="utf-8")
    assert tuple(re.findall(r'Task::\w+ => "([a-z_:]+)",', source)) == TASKS


def test_scores_are_the_estimate_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    text = """
providers: {local: {base_url: http://127.0.0.1:8080/v1}}
models:
  openai/gpt-5.4: {provider: local, benchmarks: {coding: 91.5}}
  mine/own: {provider: local, benchmarks: {intelligence: 12}}
  mine/other: local
"""
    known, own, other = compiled(tmp_path, text).snapshot.models
    assert known.scores is not None
    assert known.scores.coding == 915
    assert known.scores.intelligence == 800
    assert own.scores is not None
    assert (own.scores.intelligence, own.scores.coding) == (120, None)
    assert other.scores is None
    assert json.loads(known.card)["benchmarks"]["turnout"]["coding_index"] == 91.5
    assert json.loads(own.card)["benchmarks"] == {"turnout": {"intelligence_index": 12.0}}
    assert "benchmarks" not in json.loads(other.card)


JUDGED = BASE + "routers: {auto: {judge: {model: NAME}}}\n"


def test_a_judge_is_a_model_of_the_file_an_alias_or_one_behind_a_wildcard(tmp_path: Path) -> None:
    auto, *rest = compiled(tmp_path, JUDGED.replace("NAME", "mine/own")).snapshot.routers
    assert auto.judge == snapshot.Judge(model="mine/own", timeout_ms=800, ttl_ms=3_600_000, opinions_max=10_000)
    assert [router.judge for router in rest] == [None, None]
    aliased = JUDGED.replace("NAME", "quick") + "aliases: {quick: mine/own}\n"
    assert compiled(tmp_path, aliased).snapshot.routers[0].judge == auto.judge
    behind = JUDGED.replace("NAME", "else/where").replace("mine/own: local", "mine/own: local\n  else/*: local")
    (judge,) = [router.judge for router in compiled(tmp_path, behind).snapshot.routers if router.judge]
    assert judge.model == "else/where"
    assert compiled(tmp_path, BASE).snapshot.routers[0].judge is None


def test_a_judge_that_cannot_judge_is_a_mistake(tmp_path: Path) -> None:
    def mistake(name: str, more: str = "") -> str:
        ((_, place, sentence),) = told(tmp_path, JUDGED.replace("NAME", name) + more)
        assert place == "routers.auto.judge.model"
        return sentence

    for router in ("openrouter/auto", "turnout/auto", "openrouter/free", "openrouter/pareto-code"):
        assert mistake(router) == "a router cannot be the judge of a router: name a small model"
    assert "a router cannot" in mistake("smart", "aliases: {smart: turnout/auto}\n")
    assert "no model is called mine/owm" in mistake("mine/owm")
