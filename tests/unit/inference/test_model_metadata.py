"""Metadata is read exactly: what is wrong with it is said in full."""

import json

import pytest

from drlactors.domain.metadata import PROBE_ROWS, from_json, probe, unordered
from tests.unit.inference.models import metadata

SOUND = metadata(b"model", hyperparameters={"gamma": 0.99, "seed": 0, "algorithm": "x"})


def test_json_both_ways():
    assert from_json(SOUND.to_json()) == SOUND
    assert from_json(SOUND.to_json()).to_json() == SOUND.to_json()


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("version", 0, "version is 0"),
        ("version", True, "version is True"),
        ("version", "1", "an integer"),
        ("version", 2**63, "an integer of 64 bits"),
        ("final_reward", -(10**400), "a number"),
        ("accuracy", 1.5, "accuracy is 1.5"),
        ("accuracy", "good", "a number"),
        ("false_positive_rate", -0.1, "false_positive_rate"),
        ("sha256", "ABC", "sha256"),
        ("date", "yesterday", "ISO 8601"),
        ("date", "2026-11-23T00:00:00", "offset from UTC"),
        ("input_dimension", 29, "there are 30 features"),
        ("layers", [64, 0], "layers"),
        ("layers", [64, "64"], "a list of integers"),
        ("feature_names", "all", "a list of strings"),
        ("hyperparameters", {"a": [1]}, "an object of numbers and strings"),
        ("probe_values", "AAAA", "3 bytes instead of 1280"),
        ("probe_values", "#", "not base64"),
    ],
)
def test_a_wrong_value_is_named(key, value, says):
    with pytest.raises(ValueError, match=says):
        from_json(json.dumps({**json.loads(SOUND.to_json()), key: value}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", 2**63 - 1),
        ("hyperparameters", {"least": -(2**63)}),
        ("layers", [1]),
        ("sha256", "0123456789abcdef" * 4),
        ("accuracy", 0),
        ("false_positive_rate", 1),
    ],
)
def test_a_value_at_its_limit_is_sound(key, value):
    made = from_json(json.dumps({**json.loads(SOUND.to_json()), key: value}))
    assert json.loads(made.to_json())[key] == value


def test_infinite_figures_are_refused():
    with pytest.raises(ValueError, match="final_loss is inf"):
        from_json(SOUND.to_json().replace('"final_loss": 0.0', '"final_loss": Infinity'))


def test_missing_and_unknown_keys_are_all_named():
    plain = json.loads(SOUND.to_json())
    del plain["version"], plain["date"]
    plain["signed"] = "yes"
    with pytest.raises(ValueError, match="version is missing; date is missing; signed is unknown"):
        from_json(json.dumps(plain))


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_what_is_no_object_is_refused(text):
    with pytest.raises(ValueError):
        from_json(text)


def test_versions_are_strictly_ordered_in_time():
    first = metadata(b"", version=1, date="2026-11-23T00:00:00+00:00")
    second = metadata(b"", version=2, date="2026-11-23T01:30:00+01:00")  # half an hour later by the clock of the world
    same_time = metadata(b"", version=3, date="2026-11-23T00:30:00+00:00")
    assert unordered([first, second]) == []
    assert unordered([]) == unordered([first]) == []
    assert len(unordered([second, first])) == 1
    assert len(unordered([first, second, same_time])) == 1
    assert len(unordered([first, first])) == 1


def test_the_probe_is_spread_over_the_unit_cube_and_has_no_row_twice():
    rows = probe(30)
    assert len(rows) == len(set(map(tuple, rows))) == PROBE_ROWS
    assert all(0 <= value < 1 for row in rows for value in row)
    assert abs(sum(map(sum, rows)) / (PROBE_ROWS * 30) - 0.5) < 0.02
