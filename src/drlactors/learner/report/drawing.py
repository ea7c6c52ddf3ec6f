"""The report's figures as SVG, by the name of the file."""

from drlactors.learner.charts import Axes, Band, Dot, curves, dots, matrix, shares
from drlactors.learner.looks import FIXED_S
from drlactors.learner.report.detection import Figures, key
from drlactors.learner.report.judging import HEADLINE
from drlactors.learner.report.protocol import DQN, FITTED, OURS, THRESHOLD, TUNED, name_of

AT = key(HEADLINE)
#: When calibration is drawn.
CALIBRATED_S = 5


def drawn(report: Figures) -> dict[str, str]:
    found, name = report["found"], report["name"]
    methods, best = found["detection"]["methods"], report["verdicts"][AT]["best"]
    lines = found["detection"]["curves"]
    shown = [OURS, THRESHOLD, best, TUNED, DQN, FITTED]
    alone = found["alone"][OURS]["actions"]
    confusion = methods[OURS][AT]["confusion"]
    return {
        "time-and-detection.svg": dots(
            Axes(f"{name}: detection and time at {HEADLINE:.0%} false positives", "mean seconds to stop", "stopped"),
            {
                "fixed times": _dots(methods, [name_of(at_s) for at_s in FIXED_S]),
                **{method: _dots(methods, [method]) for method in (OURS, THRESHOLD, TUNED, DQN, FITTED)},
            },
        ),
        "malicious-by-second.svg": curves(
            Axes(f"{name}: malicious sessions stopped, {HEADLINE:.0%} allowed of benign", "seconds", "share"),
            lines[OURS]["seconds"]["mean"],
            {method: _band(lines[method]["tpr"]) for method in shown},
        ),
        "benign-by-second.svg": curves(
            Axes(f"{name}: benign sessions stopped, {HEADLINE:.0%} allowed", "seconds", "share"),
            lines[OURS]["seconds"]["mean"],
            {method: _band(lines[method]["fpr"]) for method in shown},
        ),
        "calibration.svg": dots(
            Axes(f"{name}: what {CALIBRATED_S} s of a session were taken for, and what it was", "said", "malicious"),
            {
                score: _bars(found["calibration"][score][key(CALIBRATED_S)]["observed"])
                for score in found["calibration"]
            },
        ),
        "confusion.svg": matrix(
            f"{name}: {OURS}, sessions of a seed (mean)",
            {truth: {done: round(of["mean"]) for done, of in row.items()} for truth, row in confusion.items()},
        ),
        "actions.svg": shares(
            Axes(f"{name}: actions of the {OURS}", "window", "share of sessions"),
            list(range(1, len(alone["over"]["mean"]) + 1)),
            {action: of["mean"] for action, of in alone.items()},
        ),
    }


def _dots(methods: Figures, names: list[str]) -> list[Dot]:
    """Those that stop anything."""
    at = [methods[name][AT]["matched"] for name in names]
    return [Dot(_sides(one["mean_s"]), _sides(one["tpr"])) for one in at if one["mean_s"]["mean"] is not None]


def _sides(of: dict[str, float | None]) -> tuple[float, float, float]:
    """Where an end of the interval is not known, the value."""
    value = of["mean"] or 0.0
    low, high = of["low"], of["high"]
    return value if low is None else low, value, value if high is None else high


def _bars(observed: Figures) -> list[Dot]:
    """Those that anything falls into, at their middles."""
    tenths = zip(observed["low"], observed["mean"], observed["high"], strict=True)
    return [
        Dot((at / 10 + 0.05,) * 3, _sides({"low": low, "mean": value, "high": high}))
        for at, (low, value, high) in enumerate(tenths)
        if value is not None
    ]


def _band(of: Figures) -> Band:
    sides = [_sides(dict(zip(of, each, strict=True))) for each in zip(*of.values(), strict=True)]
    return Band(*zip(*sides, strict=True))
