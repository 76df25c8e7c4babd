"""Random faults at five endpoints: nobody sees what another endpoint could have prevented, and all is booked."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

from tests.plane.harness import routing, serving

SCRIPTS = [
    "p;tokens=3;status=500;times={times}",
    "p;tokens=3;drop=1;times={times}",
    "p;tokens=3;garbage=0;times={times}",
    "p;tokens=3;status=429;retry_after=1;times={times}",
    "p;tokens=3",
]
REQUESTS = 400


def test_no_fault_that_could_be_gone_around_reaches_a_client() -> None:
    draw = random.Random(7)
    scripts = [script.format(times=draw.randint(20, 60)) for script in SCRIPTS]
    with serving(*scripts, server={"attempts": {"attempts_max": 5}}, routing=routing()) as rig, rig.client() as client:

        def ask(number: int) -> tuple[int, bool]:
            stream = number % 2 == 0
            body = {"model": "test/model", "stream": stream, "messages": [{"role": "user", "content": "x"}]}
            answer = client.post("/v1/chat/completions", json=body)
            whole = "[DONE]" in answer.text if stream else answer.json()["choices"][0]["finish_reason"] == "stop"
            return answer.status_code, whole

        with ThreadPoolExecutor(16) as pool:
            seen = list(pool.map(ask, range(REQUESTS)))
        assert set(seen) == {(200, True)}
        booked = rig.booked(REQUESTS)
        assert len({generation.id for generation in booked}) == REQUESTS
        assert {generation.status for generation in booked} == {200}
        assert max(len(generation.attempts) for generation in booked) == 5
