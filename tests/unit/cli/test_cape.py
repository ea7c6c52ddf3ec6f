"""The command beside CAPE says what it needs, and prints the module that goes into CAPE."""

from pathlib import Path

import pytest

from drlactors.cli.cape import cape
from drlactors.cli.link import Link
from tests.unit.sandboxes.cape.fake import MODULE


def test_it_makes_no_folders_where_there_is_no_cape(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no CAPE in"):
        cape(root=tmp_path / "typo", link=Link(gateway="127.0.0.1:1"))
    assert not (tmp_path / "typo").exists()


def test_it_prints_the_module_and_does_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cape(root=tmp_path / "none", print_module=True) == 0
    assert capsys.readouterr().out == MODULE.read_text()
    assert not (tmp_path / "none").exists()
