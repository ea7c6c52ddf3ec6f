"""`drlactors config check` and `config show`."""

import tomllib

from drlactors.__main__ import run
from drlactors.config import FIELDS


def test_check_accepts_what_is_right(capsys):
    assert run(["config", "check"]) == 0
    assert "The configuration can be used" in capsys.readouterr().out


def test_check_says_what_is_wrong(tmp_path, capsys):
    path = tmp_path / "site.toml"
    path.write_text("[metrics]\nport = 70000\n")
    assert run(["config", "check", str(path)]) == 2
    assert f"{path}: metrics.port: 70000 given, allowed: less than or equal to 65535" in capsys.readouterr().err


def test_check_warns_of_keys_that_do_nothing(tmp_path, capsys):
    path = tmp_path / "drl.json"
    path.write_text('{"buffer": {"min_samples": 1}}')
    assert run(["config", "check", str(path)]) == 0
    assert "warning: " in capsys.readouterr().out


def test_show_prints_toml_with_every_key_and_no_secret(monkeypatch, capsys):
    monkeypatch.setenv("DRLACTORS_POSTGRES__URL", "postgresql://u:hush@h/d")
    assert run(["config", "show"]) == 0
    shown = capsys.readouterr().out
    assert [f"{section}.{key}" for section, table in tomllib.loads(shown).items() for key in table] == list(FIELDS)
    assert "hush" not in shown
    assert 'url = "(set)"' in shown


def test_show_says_where_a_value_comes_from(monkeypatch, capsys):
    monkeypatch.setenv("DRLACTORS_METRICS__PORT", "0")
    run(["config", "show", "--origin"])
    assert "port = 0  # variable DRLACTORS_METRICS__PORT" in capsys.readouterr().out
