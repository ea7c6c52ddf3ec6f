"""What the sandboxes that were played came to, on a terminal."""

from types import SimpleNamespace

from rich.console import Console

from drlactors.cli.sandbox import summary
from drlactors.domain.action import Action


def test_a_terminal_of_80_columns_shows_the_whole_table() -> None:
    played = [
        SimpleNamespace(
            recording=SimpleNamespace(stage=stage, malicious=malicious),
            stopped=None,
            sent=100_000,
            hosted=SimpleNamespace(selected=dict.fromkeys(Action, 100_000)),
        )
        for stage in (1, 2)
        for malicious in (True, False)
    ]
    console = Console(width=80)
    with console.capture() as captured:
        console.print(summary(played))
    shown = captured.get()
    assert "…" not in shown
    assert shown.count("malicious") == shown.count("benign") == 2
    assert all(shown.count(action.name.lower()) == 1 for action in Action)
    assert shown.count("100000") == 4 * (1 + len(Action))
