"""Digests that earlier runs left of what a run has overwritten; what states of files tell of their times."""

from sumatra.capture.trace import State
from sumatra.runs.observing import written_at


def test_a_time_that_no_calendar_has_is_left_out() -> None:
    state = State(1, 2, 0o100644, 1, 10, 10**21, 10**21)
    assert written_at(state) is None
    found = written_at(state._replace(modified=1_700_000_000_250_000_000))
    assert found is not None and found.isoformat() == "2023-11-14T22:13:20.250000+00:00"
