"""Which programs a sandbox is given to run."""

from pathlib import Path

import pytest

from drlactors.cli.running import _commands


def test_the_files_of_the_current_folder_are_run_and_no_program_of_the_system_with_such_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = tmp_path / "ls"
    sample.write_text("#!/bin/sh\n")
    sample.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert list(_commands(Path())) == [[str(sample)]]
