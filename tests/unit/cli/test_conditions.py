"""Conditions on patterns, as people write them."""

from drlactors.cli.conditions import Conditions

SHA256 = "ab" * 32


def test_techniques_and_digests_may_be_written_in_letters_of_either_size():
    query = Conditions(technique="t1055.003", artifact=f" {SHA256.upper()}").query()
    assert (query.technique, query.artifact) == ("T1055.003", SHA256)
