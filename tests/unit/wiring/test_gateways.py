"""The file of tokens is read again when it is saved, while the gateway serves."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Condition
from typing import cast

import pytest

from drlactors.config.load import load
from drlactors.gateway.options import tokens
from drlactors.gateway.server import Gateway
from drlactors.testing.observer import RecordingObserver
from drlactors.wiring.gateways import watched_tokens

OURS, THEIRS = (hashlib.sha256(token).hexdigest() for token in (b"ours", b"theirs"))


class Told:
    """What a gateway, and a log, would be told."""

    def __init__(self) -> None:
        self.tokens: Mapping[str, str] = {}
        self.refused = 0
        self._changed = Condition()

    def use_tokens(self, tokens: Mapping[str, str]) -> None:
        with self._changed:
            self.tokens = tokens
            self._changed.notify_all()

    def refuse(self) -> None:
        with self._changed:
            self.refused += 1
            self._changed.notify_all()

    def wait(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, 20), (self.tokens, self.refused)


class Observer(RecordingObserver):
    def __init__(self, told: Told) -> None:
        super().__init__()
        self._told = told

    def error(self, event: str, error: Exception, **fields: object) -> None:
        super().error(event, error, **fields)
        self._told.refuse()


@pytest.mark.parametrize("linked", [False, True])
def test_tokens_are_in_force_once_their_file_is_saved_and_a_broken_one_changes_nothing(
    tmp_path: Path, linked: bool
) -> None:
    file = path = tmp_path / "tokens"
    if linked:  # as Kubernetes mounts secrets
        (tmp_path / "there").mkdir()
        file = tmp_path / "there" / "tokens"
        path.symlink_to(file)
    file.write_text(f"box {OURS}\n")
    settings = load(environ={"DRLACTORS_GATEWAY__TOKENS": str(path)}).settings
    told = Told()
    with watched_tokens(settings, tokens(path), cast(Gateway, told), Observer(told)):
        file.write_text(f"box {THEIRS}\n")
        told.wait(lambda: told.tokens == {THEIRS: "box"})
        file.write_text("box\n")
        told.wait(lambda: told.refused > 0)
        assert told.tokens == {THEIRS: "box"}
        file.write_text(f"box {OURS}\n")
        told.wait(lambda: told.tokens == {OURS: "box"})
