"""What a follower was doing is known to the next one, wherever the first was killed."""

from pathlib import Path

import pytest

from drlactors.domain.action import Action
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.sandboxes.cape.kept import Kept
from drlactors.sandboxes.cape.log import Mark
from drlactors.sandboxes.errors import BadNote

SEEN = Telemetry(
    syscall_count=3, syscall_types=("NtWriteFile", "ü"), file_write_count=0, accessed_paths=("C:\\a",),
    registry_modification=False,
)  # fmt: skip


def window(seq: int) -> Window:
    return Window(seq, 1000, 1_700_000_000_000_000 + seq, SEEN)


def begun(path: Path) -> list[int]:
    """Three windows, a conviction and a rerun; how long the file was after each."""
    kept, sizes = Kept(path), [0]
    for step in (
        lambda: kept.cut(window(0), {1: Mark(10, 77)}),
        lambda: kept.cut(window(1), {1: Mark(20, 78), 2: Mark(5, 1)}),
        lambda: kept.convict(Action.TERMINATE),
        lambda: kept.cut(window(2), {1: Mark(30, 78)}),
        kept.ask_for_rerun,
    ):
        step()
        sizes.append(path.stat().st_size)
    kept.close()
    return sizes


def test_everything_comes_back_as_it_was(tmp_path: Path) -> None:
    begun(tmp_path / "kept")
    kept = Kept(tmp_path / "kept")
    assert kept.windows == [window(0), window(1), window(2)]
    assert kept.marks == {1: Mark(30, 78)}
    assert (kept.convicted, kept.rerun) == (Action.TERMINATE, True)


def test_cut_off_at_any_byte_it_is_as_before_the_line_that_was_begun_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    sizes = begun(path)
    whole = path.read_bytes()
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        done = sum(after <= size for after in sizes[1:])
        kept = Kept(path)
        assert kept.windows == [window(0), window(1), window(2)][: [0, 1, 2, 2, 3, 3][done]]
        assert kept.convicted is (Action.TERMINATE if done >= 3 else None)
        kept.cut(window(9), {})
        kept.close()
        assert Kept(path).windows == [*kept.windows[:-1], window(9)]


def test_once_it_is_closed_a_conviction_changes_nothing(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept")
    kept.close()
    kept.convict(Action.TERMINATE)
    assert kept.convicted is None


@pytest.mark.parametrize("line", [b"{}\n", b'{"other": 1}\n'])
def test_a_line_of_a_later_version_is_passed_over(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "kept"
    begun(path)
    path.write_bytes(line + path.read_bytes())
    assert len(Kept(path).windows) == 3


@pytest.mark.parametrize(
    "line",
    [
        b"\x00\xff\n",
        b"[]\n",
        b"7\n",
        b'{"window":[1,2]}\n',
        b'{"window":[0,1,2,{"other":1}],"marks":{}}\n',
        b'{"window":[0,1,2,[]],"marks":{}}\n',
        b'{"window":[0,1,2,{}]}\n',
        b'{"convicted":"x"}\n',
    ],
)
def test_a_damaged_line_is_a_bad_note_and_the_file_stays_as_it_is(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "kept"
    begun(path)
    damaged = line + path.read_bytes()
    path.write_bytes(damaged)
    with pytest.raises(BadNote, match="kept"):
        Kept(path)
    assert path.read_bytes() == damaged
