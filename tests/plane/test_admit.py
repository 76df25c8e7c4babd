"""``rust/plane/src/admit.rs``: the bound of requests in flight."""

from __future__ import annotations

import pytest

from tests.plane.harness import chat, eventually, serving


def test_past_the_bound_a_request_is_refused_at_once_and_the_place_is_given_back() -> None:
    with (
        serving("plain;stall=0", server={"limits": {"requests_in_flight_max": 2}}) as rig,
        rig.connect() as first,
        rig.connect() as second,
    ):
        first.send(chat())
        second.send(chat(stream=True))
        eventually(lambda: rig.counters()["requests"] == 2, "both requests are at the provider")
        refused = rig.chat()
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        error = refused.json()["error"]
        assert error["metadata"]["error_type"] == "provider_overloaded"
        assert "2 requests" in error["message"]
        assert error["availability"]["retryable"] is True
        assert rig.metric("turnout_requests_in_flight") == 2
        # A client that leaves gives its place back without reaching any line of the request.
        first.close()
        eventually(lambda: rig.metric("turnout_requests_in_flight") == 1, "the place is given back")
        with rig.connect() as third:
            third.send(chat())
            eventually(lambda: rig.counters()["requests"] == 3, "the third request is at the provider")
        second.close()
        eventually(lambda: rig.metric("turnout_requests_in_flight") == 0, "all places are given back")
        # The one that was refused never was a generation.
        assert [g.cancelled for g in rig.booked(3)] == [True, True, True]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_places_are_given_back_however_a_request_ends(stream: bool) -> None:
    scripts = ["plain;tokens=2", "plain;status=500", "plain;cut=1", "plain;empty=1"]
    for script in scripts:
        with serving(script, server={"limits": {"requests_in_flight_max": 1}}) as rig:
            for _ in range(3):
                # The place is given back a moment after the answer's last byte.
                eventually(lambda: rig.metric("turnout_requests_in_flight") == 0, "the place is given back")
                assert rig.chat(stream=stream).status_code != 503
            rig.booked(3)
            eventually(lambda: rig.metric("turnout_requests_in_flight") == 0, "the place is given back")
