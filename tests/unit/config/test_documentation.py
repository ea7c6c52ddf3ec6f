"""configs/README.md has every key, says how it changes, and has no key that is gone."""

import re

from drlactors.config import FIELDS, live, load, share

ROW = re.compile(r"^\| `([a-z0-9_]+\.[a-z0-9_]+)` \| (live|restart) \| (.+) \|$", re.MULTILINE)


def documented():
    return {key: (change, says) for key, change, says in ROW.findall((share("configs") / "README.md").read_text())}


def test_every_key_is_documented_and_every_documented_key_exists():
    assert list(documented()) == list(FIELDS)


def test_the_documentation_says_which_keys_are_live():
    assert {key: change for key, (change, _) in documented().items()} == {
        key: "live" if live(key) else "restart" for key in FIELDS
    }


def test_base_has_every_value():
    origins = load("prod", environ={}).origins
    assert list(origins) == list(FIELDS)
    assert {origin.rpartition("/")[2] for origin in origins.values()} == {"base.toml", "prod.toml"}
