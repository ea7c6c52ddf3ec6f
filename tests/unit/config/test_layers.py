"""Which layer wins, and where a value says that it comes from."""

import json
from pathlib import Path

import pytest

from drlactors.config import ConfigError, load

SPECIFICATION = {
    "model": {"path": "models/onnx/drl_agent_latest.onnx", "feature_dim": 30, "action_dim": 5},
    "sandboxes": {"sandbox1_endpoint": "localhost:50051", "sandbox2_endpoint": "localhost:50052"},
    "database": {"connection_string": "postgresql://user:pass@localhost/drl"},
    "buffer": {"capacity": 100000, "min_samples": 64},
    "logging": {"level": "info", "file": "logs/drl_framework.log"},
}


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_every_environment_loads(environment):
    loaded = load(environment, environ={})
    assert loaded.settings.rules.isolation_steps == 3
    assert loaded.warnings == ()


def test_a_higher_layer_wins_key_by_key(tmp_path):
    first = written(tmp_path, "a.toml", "[rules]\nreviews = 2\nisolation_steps = 5\n[metrics]\nport = 1\n")
    second = written(tmp_path, "b.json", '{"rules": {"reviews": 3}, "metrics": {"port": 2}}')
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    written(secrets, "metrics__port", "3\n")
    written(secrets, "nats__token", "s3cret\n")
    environ = {"DRLACTORS_ENV": "prod", "DRLACTORS_SECRETS": str(secrets), "DRLACTORS_METRICS__PORT": "4"}

    loaded = load(files=[first, second], environ=environ)

    assert loaded.settings.server.instance == "production"
    assert loaded.settings.rules.isolation_steps == 5
    assert loaded.settings.rules.reviews == 3
    assert loaded.settings.metrics.port == 4
    assert loaded.settings.nats.token.get_secret_value() == "s3cret"
    assert loaded.origins["rules.isolation_steps"] == str(first)
    assert loaded.origins["rules.reviews"] == str(second)
    assert loaded.origins["nats.token"] == str(secrets / "nats__token")
    assert loaded.origins["metrics.port"] == "variable DRLACTORS_METRICS__PORT"
    assert loaded.origins["rules.windows_before_final"].endswith("base.toml")


@pytest.mark.parametrize("environ", [{"DRLACTORS_LOGGING__LEVEL": "DEBUG"}, {}])
def test_the_level_of_logging_is_taken_in_capitals_too(tmp_path, environ):
    file = written(tmp_path, "a.toml", '[logging]\nlevel = "Warning"\n')
    assert load(files=[file], environ=environ).settings.logging.level == ("debug" if environ else "warning")


def test_the_command_line_is_the_highest_layer():
    loaded = load(environ={"DRLACTORS_SERVER__DATA_DIR": "/a"}, overrides={"server.data_dir": Path("/b")})
    assert loaded.settings.server.data_dir == Path("/b")
    assert loaded.origins["server.data_dir"] == "the command line"


@pytest.mark.parametrize(
    ("text", "names"), [("cpu_usage,isolation", 2), ('["cpu_usage"]', 1), ("cpu_usage", 1), ("", 30)]
)
def test_a_list_in_a_variable(text, names):
    assert len(load(environ={"DRLACTORS_FEATURES__NAMES": text}).settings.features.names) == names


def test_variables_that_kubernetes_sets_for_a_service_of_our_name_are_left_alone():
    assert load(environ={"DRLACTORS_PORT": "tcp://10.0.0.1:4222", "DRLACTORS_SERVICE_HOST": "10.0.0.1"})


def test_the_specification_s_example_is_accepted(tmp_path):
    loaded = load(files=[written(tmp_path, "drl.json", json.dumps(SPECIFICATION))], environ={})
    settings = loaded.settings
    assert settings.model.path == "models/onnx/drl_agent_latest.onnx"
    assert settings.postgres.url.get_secret_value() == "postgresql://user:pass@localhost/drl"
    assert settings.logging.file == "logs/drl_framework.log"
    assert [warning.split(": ")[1].split()[0] for warning in loaded.warnings] == [
        "sandboxes.sandbox1_endpoint",
        "sandboxes.sandbox2_endpoint",
        "buffer.min_samples",
    ]
    assert settings.learner.capacity == 100_000


def test_the_specification_s_dimensions_have_to_agree(tmp_path):
    wrong = written(tmp_path, "drl.json", '{"model": {"feature_dim": 31, "action_dim": 4}}')
    with pytest.raises(ConfigError) as raised:
        load(files=[wrong], environ={})
    assert "model.feature_dim: 31 given, allowed: 30, as features.names say" in str(raised.value)
    assert "model.action_dim: 4 given, allowed: 5, as the five actions say" in str(raised.value)


def test_secrets_are_never_shown(tmp_path):
    loaded = load(environ={"DRLACTORS_NATS__TOKEN": "hush", "DRLACTORS_POSTGRES__URL": "postgresql://u:hush@h/d"})
    assert "hush" not in repr(loaded) + str(loaded.settings) + loaded.settings.model_dump_json()
