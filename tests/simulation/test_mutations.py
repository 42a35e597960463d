"""The simulation can fail: servers that break one promise each are all noticed, within few seeds."""

from __future__ import annotations

import pytest

from simulation.mutations import MUTATIONS
from simulation.world import simulate

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_server_that_breaks_a_promise_is_noticed(name: str) -> None:
    mutation = MUTATIONS[name]
    with mutation.apply():
        for plan in mutation.plans():
            if simulate(plan.seed, plan=plan).problems:
                return
    pytest.fail(f"{name} went unnoticed for {mutation.seeds} seeds")
