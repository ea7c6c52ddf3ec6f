"""Ids follow from what is known, and stay what they are."""

from uuid import UUID

import pytest

from drlactors.domain.ids import (
    DAY_US,
    REGISTRY,
    EpisodeId,
    ReviewId,
    SessionId,
    episode_of,
    forget_names,
    guard_day,
    instance_of,
    lease_order,
    model_of,
    named,
    order_of,
    reserved,
    review_of,
    spelled,
)

SESSION = SessionId(UUID(int=1))
STORED = (
    (instance_of("plane"), "7059e51d-3b26-56e9-995a-ee17a4f46dc8"),
    (guard_day(DAY_US), "04e49528-b0da-5705-bf6a-5a1ebedfee75"),
    (episode_of(SESSION), "008465c3-1d91-5051-ba8d-87043900ce1f"),
    (model_of("ab" * 32), "afce2e26-3529-58ee-9049-531ffc2184e4"),
    (review_of(SESSION, 7), "86b1283c-936e-51c2-9f8d-b100d87000fb"),
    (order_of(ReviewId(UUID(int=2)), "lapsed"), "9ebf852e-b605-5d85-8c75-e5c4f36e875c"),
    (lease_order(EpisodeId(UUID(int=3)), 2, 7), "70956985-47f9-55d9-96e0-523c2974a5a2"),
)


@pytest.mark.parametrize(("found", "stored"), STORED)
def test_an_id_that_follows_from_another_is_the_one_that_logs_have(found: UUID, stored: str) -> None:
    assert str(found) == stored


def test_a_day_of_the_guards_begins_at_midnight() -> None:
    assert guard_day(DAY_US - 1) != guard_day(DAY_US) == guard_day(2 * DAY_US - 1)
    assert DAY_US == 24 * 60 * 60 * 1_000_000


def test_reserved_are_the_registry_the_instance_and_the_days_from_yesterday_to_ten_years_ahead() -> None:
    instance, now_us = instance_of("plane"), 20_000 * DAY_US
    found = reserved(instance, now_us)
    assert {REGISTRY, instance} < found
    assert [guard_day(now_us + day * DAY_US) in found for day in (-2, -1, 0, 3_659, 3_660)] == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_names_that_were_forgotten_are_not_at_hand() -> None:
    assert named(spelled(SESSION)) == SESSION
    forget_names()
    assert (spelled.cache_info().currsize, named.cache_info().currsize) == (0, 0)
