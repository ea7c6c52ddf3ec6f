"""The command beside CAPE says what it needs, and prints the module that goes into CAPE."""

from pathlib import Path

import pytest

from drlactors.cli.cape import cape
from tests.unit.sandboxes.cape.fake import MODULE


@pytest.mark.parametrize("links", [{}, {"gateway": "127.0.0.1:1", "nats": "nats://127.0.0.1:1"}])
def test_it_has_to_be_told_one_way_to_drlactors(tmp_path: Path, links: dict[str, str]) -> None:
    (tmp_path / "storage").mkdir()
    with pytest.raises(SystemExit, match="where is drlactors"):
        cape(root=tmp_path, **links)  # type: ignore[arg-type]  # of all its options, those two


def test_it_makes_no_folders_where_there_is_no_cape(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no CAPE in"):
        cape(root=tmp_path / "typo", gateway="127.0.0.1:1")
    assert not (tmp_path / "typo").exists()


def test_it_prints_the_module_and_does_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cape(root=tmp_path / "none", print_module=True) == 0
    assert capsys.readouterr().out == MODULE.read_text()
    assert not (tmp_path / "none").exists()
