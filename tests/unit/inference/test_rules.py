"""The rules: what a person would expect of each, and that they always have an answer."""

import numpy as np
import pytest

from drlactors.domain.action import Action
from drlactors.domain.features import FeatureSchema
from drlactors.domain.permission import best
from drlactors.inference import RulePolicy, Thresholds
from drlactors.inference.rules import rules
from drlactors.ports.policy import PolicyError

SCHEMA = FeatureSchema()
ALL = 0b11111
NOT_FINAL = 0b10011
MASS_CHANGE = {"change_burden": 0.6, "delete_ratio": 0.4, "file_io_ratio": 0.7}


def vector(schema=SCHEMA, **features):
    made = np.zeros((1, len(schema.names)), dtype=np.float32)
    for name, value in features.items():
        made[0, schema.names.index(name)] = value
    return made


def chosen(mask=ALL, schema=SCHEMA, **features):
    return best(RulePolicy(schema).rank(vector(schema, **features))[0].tolist(), mask)


def test_a_quiet_sample_goes_on():
    assert chosen() is Action.CONTINUE
    assert chosen(syscall_rate=0.9, file_read_rate=0.8, cpu_usage=1.0) is Action.CONTINUE


@pytest.mark.parametrize(
    "grave",
    [
        {"code_injection_detected": 1.0},
        {"privilege_escalation_attempt": 1.0, "notable_syscalls": 0.6},
        MASS_CHANGE,
    ],
)
def test_a_grave_sample_is_isolated_and_then_terminated(grave):
    assert chosen(**grave) is Action.ISOLATE
    assert chosen(**grave, isolation=1 / 3) is Action.TERMINATE


def test_what_is_not_permitted_is_replaced_by_the_next_best():
    assert chosen(NOT_FINAL, **MASS_CHANGE, isolation=1 / 3) is Action.ISOLATE
    assert chosen(0b10001, **MASS_CHANGE, isolation=1.0) is Action.REVIEW
    assert chosen(0b00001, **MASS_CHANGE, isolation=1.0) is Action.CONTINUE
    assert chosen(0b11101, **MASS_CHANGE) is Action.TERMINATE


def test_sensitive_paths_and_upload_are_contained_and_never_ended():
    leak = {"sensitive_path_ratio": 0.2, "upload_ratio": 0.9}
    assert chosen(**leak) is Action.ISOLATE
    assert chosen(0b11101, **leak, isolation=1.0) is Action.REVIEW
    assert chosen(0b01101, **leak, isolation=1.0) is Action.CONTINUE


def test_an_uncertain_mixture_is_a_question_to_a_person_and_goes_on_once_asked():
    assert chosen(sensitive_path_ratio=0.2, elapsed=0.8) is Action.REVIEW
    assert chosen(0b01111, sensitive_path_ratio=0.2, elapsed=0.8) is Action.CONTINUE


def test_the_gravest_rule_decides_and_a_rationale_names_those_that_support_it():
    policy = RulePolicy(SCHEMA)
    both = vector(code_injection_detected=1.0, connection_rate=0.9, isolation=1 / 3)
    assert policy.because(both, Action.TERMINATE) == ("code injection",)
    assert policy.because(both, Action.REVIEW) == ("code injection", "many connections")
    assert policy.because(vector(), Action.CONTINUE) == ()


def test_a_rule_without_its_feature_never_fires():
    blind = FeatureSchema(("cpu_usage", "delete_ratio", "change_burden"))
    everything = {"cpu_usage": 1.0, "delete_ratio": 1.0, "change_burden": 1.0}
    assert chosen(schema=blind, **everything) is Action.CONTINUE
    assert RulePolicy(blind).because(vector(blind, **everything), Action.TERMINATE) == ()


def test_without_the_feature_isolation_the_steps_run_out_and_then_it_is_terminated():
    names = FeatureSchema(("code_injection_detected",))
    assert chosen(schema=names, code_injection_detected=1.0) is Action.ISOLATE
    assert chosen(0b11101, names, code_injection_detected=1.0) is Action.TERMINATE


def test_other_thresholds_have_another_name():
    own = RulePolicy(SCHEMA, Thresholds(uploading=0.2))
    assert RulePolicy(SCHEMA).info.id == "rules-1"
    assert own.info.id.startswith("rules-1-")
    assert own.info.id != RulePolicy(SCHEMA, Thresholds(uploading=0.3)).info.id


def test_every_condition_is_on_a_known_feature_and_every_rule_has_its_own_name():
    made = rules(Thresholds())
    FeatureSchema(tuple({condition.feature for rule in made for condition in rule.conditions}))
    assert len({rule.name for rule in made}) == len(made)
    assert [rule.stance for rule in made] == sorted((rule.stance for rule in made), reverse=True)


def test_a_vector_of_another_shape_is_an_error():
    with pytest.raises(PolicyError, match="shape"):
        RulePolicy(SCHEMA).rank(np.zeros((1, 3), dtype=np.float32))
