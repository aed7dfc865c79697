"""The mailbox against a dictionary, and that the dictionary would notice."""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.behaviour.broken import broken
from tests.behaviour.life import Life
from tests.support.databases import KINDS
from tests.support.postgres import PostgresServers

# Lives in a normal run; a larger number belongs to a campaign.
EXAMPLES = int(os.environ.get("OMBUD_TEST_EXAMPLES", "15"))
# Lives within which a broken build must be noticed.
CONTROL_EXAMPLES = 300
STEPS = 40


def live(kind: str, servers: PostgresServers, *, examples: int = EXAMPLES, control: bool = False) -> None:
    machine = type("LifeOnABackend", (Life,), {"kind": kind, "servers": servers, "__module__": __name__})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            derandomize=control,  # what is found once is found always
            phases=[Phase.generate] if control else [Phase.generate, Phase.shrink],
            report_multiple_bugs=False,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )


@pytest.mark.timeout(60 + 10 * EXAMPLES)
@pytest.mark.parametrize("kind", KINDS)
def test_any_life(kind: str, postgres_servers: PostgresServers) -> None:
    live(kind, postgres_servers)


CONTROLS = [
    ("ring_lanes", "where id = :lane_id", "where false and id = :lane_id"),
    ("fence", "lease_token is :token", "(lease_token is :token or true)"),
    ("lease_lanes", "wake_at <= :now", "wake_at <= :now + 60000000"),
    ("lease_lanes", "case when lease_token is null then 0 else 1 end", "0"),
    ("release_lanes", "and lease_token is :token", "and (lease_token is :token or true)"),
    ("settle_deliveries", "attempts = attempts + :counts", "attempts = attempts + 1 + 0 * :counts"),
    ("pause_lanes", "hold_until = 4611686018427387904", "hold_until = hold_until"),
    ("resume_lanes", "wake_at = case", "wake_at = 4611686018427387904 + 0 * case"),
    ("replay_deliveries", "and state > 0", ""),
    ("replay_deliveries", "generation = generation + 1", "generation = generation"),
    ("pending_of_lanes", "state = 0", "state = 0 and rank = 1"),
    ("kept_of_day", "state = 0 or", "false or"),
    ("move_attempts", "where day", "where false and day"),
    ("delete_attempts", "where day", "where false and day"),
]
# What takes long to be met; tests of its own try it in the normal run.
RARE = [
    ("load_due", "d.due_at <= :now", "d.due_at <= :now + 100000000"),
    ("release_lanes", "and state = 0 and rank = 1", "and state = 9 and rank = 1"),
    ("kept_of_day", "event_id >= :failed_since", "event_id > :failed_since + 4611686018427387904"),
    ("lock_free_lanes", "and lease_token is null", ""),
]


@pytest.mark.parametrize(("name", "right", "wrong"), CONTROLS + RARE * (EXAMPLES > 100))
def test_a_broken_build_is_noticed(name: str, right: str, wrong: str, postgres_servers: PostgresServers) -> None:
    """Otherwise a life that ends well would prove nothing."""
    with broken(name, right, wrong), pytest.raises(Exception):  # noqa: B017,PT011 - however it is noticed
        live("sqlite", postgres_servers, examples=max(CONTROL_EXAMPLES, EXAMPLES), control=True)
