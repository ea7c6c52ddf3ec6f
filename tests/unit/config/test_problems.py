"""What an operator is told when something is wrong."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drlactors.config import FIELDS, ConfigError, load


def told(tmp_path, text, name="site.toml", **environ):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load(files=[path], environ=environ)
    return str(raised.value)


def test_a_wrong_value_names_file_key_value_and_what_is_allowed(tmp_path):
    text = told(tmp_path, "[metrics]\nport = 70000\n")
    assert f"{tmp_path}/site.toml: metrics.port: 70000 given, allowed: less than or equal to 65535" in text


def test_all_problems_are_told_at_once(tmp_path):
    text = told(tmp_path, "[rules]\nreviews = true\n[logging]\nlevel = 'loud'\n[dispatch]\nretry_s = [1, 'x']\n")
    assert "(3 problems)" in text
    assert "rules.reviews: true given, allowed: a valid integer" in text
    assert "logging.level: 'loud' given, allowed: 'debug', 'info', 'warning' or 'error'" in text
    assert "dispatch.retry_s, entry 2: 'x' given, allowed: a valid number" in text


def test_an_unknown_key_suggests_the_nearest(tmp_path):
    assert "did you mean rules.isolation_steps?" in told(tmp_path, "[rules]\nisolaton_steps = 1\n")
    assert "ruels: there is no such key; did you mean rules?" in told(tmp_path, "[ruels]\nreviews = 1\n")


def test_an_unknown_variable_is_told(tmp_path):
    text = told(tmp_path, "", DRLACTORS_RULES__REVEIWS="1")
    assert "variable DRLACTORS_RULES__REVEIWS: rules.reveiws: there is no such key; did you mean rules.reviews?" in text
    assert "write it DRLACTORS_RULES__REVIEWS" in told(tmp_path, "", DRLACTORS_RULES_REVIEWS="1")


def test_wrong_syntax_names_file_and_line(tmp_path):
    assert "site.toml: is not TOML" in told(tmp_path, "[rules]\nreviews = = 1\n")
    assert "line 2" in told(tmp_path, "[rules]\nreviews = = 1\n")
    assert "site.json:2: is not JSON" in told(tmp_path, '{"rules":\n oops}', name="site.json")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file"):
        load(files=[tmp_path / "none.toml"], environ={})


def test_an_unknown_environment_lists_the_known_ones():
    with pytest.raises(ConfigError, match="'moon' given, allowed: dev, prod, staging"):
        load("moon", environ={})


def test_keys_that_contradict_each_other(tmp_path):
    text = told(tmp_path, "[rules]\nisolation_steps = 1\nisolation_before_quarantine = 2\n")
    assert "rules: allowed: isolation_before_quarantine at most isolation_steps" in text


@pytest.mark.parametrize(
    "text", ["[nats]\ntoken = ['hush']\n", "[postgres]\nurl = 'hush'\n", "[nats]\ntls_key='hush'\n"]
)
def test_a_wrong_secret_is_not_repeated(tmp_path, text):
    assert "hush" not in told(tmp_path, text)


def refusal(**arguments) -> ConfigError | None:
    try:
        load(**arguments)
    except ConfigError as error:
        return error
    return None


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([10**400, "\ud800", ""])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=5
)
names = st.sampled_from([key.split(".")[1] for key in FIELDS]) | st.text(max_size=8)
tables = st.dictionaries(
    st.sampled_from([*dict.fromkeys(key.split(".")[0] for key in FIELDS), "database", "buffer", "x"]),
    values | st.dictionaries(names, values, max_size=4),
    max_size=4,
)


@settings(max_examples=300)
@given(tables)
def test_a_wrong_table_gives_a_config_error_and_nothing_else(tmp_path_factory, table):
    path = tmp_path_factory.getbasetemp() / "random.json"
    path.write_text(json.dumps(table))
    error = refusal(files=[path], environ={})
    assert error is None or (error.problems and str(error).encode())


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(list(FIELDS)), st.text() | values.map(repr), min_size=1, max_size=4))
def test_a_wrong_variable_gives_a_config_error_and_nothing_else(given):
    error = refusal(environ={f"DRLACTORS_{key.upper().replace('.', '__')}": text for key, text in given.items()})
    assert error is None or all(problem.key for problem in error.problems)


@settings(max_examples=100)
@given(st.binary(max_size=200), st.sampled_from(["toml", "json"]))
def test_a_file_of_anything_gives_a_config_error_and_nothing_else(tmp_path_factory, content, ending):
    path = tmp_path_factory.getbasetemp() / f"random.{ending}"
    path.write_bytes(content)
    error = refusal(files=[path], environ={})
    assert error is None or str(path) in str(error)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"rules": ' + "9" * 5000 + "}", "0x" + "f" * 9000])
@pytest.mark.parametrize("ending", ["toml", "json"])
def test_what_breaks_parsers_is_told_too(tmp_path, text, ending):
    assert "site." in told(tmp_path, text, name=f"site.{ending}")
