"""The report as tables of words: the same for the terminal and for the page."""

from typing import NamedTuple

from drlactors.learner.looks import FIXED_S
from drlactors.learner.report.detection import BASE_RATES, TIMEOUTS_S, Figures, key
from drlactors.learner.report.judging import FPRS, HEADLINE
from drlactors.learner.report.protocol import OURS

AT = key(HEADLINE)


class Table(NamedTuple):
    title: str
    says: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]


def tables(report: Figures) -> list[Table]:
    found = report["found"]
    methods = found["detection"]["methods"]
    return [
        reached(report),
        *(matched(methods, key(fpr)) for fpr in FPRS),
        chosen(methods),
        _precision(methods),
        _saved(methods),
        *([_stages(found["stages"])] if "stages" in found else []),
        _loss(found["loss"]),
        _calibration(found["calibration"]),
        _alone(found["alone"]),
    ]


def reached(report: Figures) -> Table:
    rows: list[tuple[str, ...]] = []
    for fpr, verdict in report["verdicts"].items():
        for words, beside in (
            (f"{verdict['best']}, the best single look", verdict["beside_best"]),
            ("threshold stopping", verdict["beside_threshold_stopping"]),
        ):
            answer = "reached" if beside["interval"] else "by its value, not by its interval"
            rows.append(
                (
                    _percent(fpr),
                    words,
                    _figure(beside["time_ratio"]),
                    f"{beside['latest']:g}",
                    _figure(beside["tpr_more"]),
                    answer if beside["value"] else "not reached",
                )
            )
    return Table(
        f"{OURS}, beside what it has to be better than",
        f"The {OURS} is what drlactors train --method stopping makes. Mean seconds to stop a malicious session, as a "
        "part of the other's; and how much more of them it stops.",
        ("false positives", "beside", "time", "at most", "TPR, more", ""),
        rows,
    )


def matched(methods: Figures, fpr: str) -> Table:
    return Table(
        f"At {_percent(fpr)} false positives on the tested sessions",
        "Thresholds as a ROC curve has them: for comparing methods, not for use. Seconds are of malicious sessions "
        "that were stopped; in the last column those that were missed count to their ends.",
        ("method", "AUC", "TPR", "mean s", "median s", "95 % s", "mean s of all"),
        [
            (name, _figure(of["auc"]), *(_figure(of[fpr]["matched"][column]) for column in _POINT))
            for name, of in methods.items()
        ],
    )


def chosen(methods: Figures) -> Table:
    return Table(
        f"With the threshold that validation chose for {_percent(AT)}",
        "As in use: nothing of the tested sessions was known.",
        ("method", "TPR", "FPR", "mean s", "median s", "95 % s", "mean s of all"),
        [
            (
                name,
                _figure(of[AT]["chosen"]["tpr"]),
                _figure(of[AT]["chosen"]["fpr"]),
                *(_figure(of[AT]["chosen"][column]) for column in _POINT[1:]),
            )
            for name, of in methods.items()
        ],
    )


_POINT = ("tpr", "mean_s", "median_s", "p95_s", "restricted_mean_s")


def _precision(methods: Figures) -> Table:
    return Table(
        f"How many of those stopped are malicious, by base rate (thresholds for {_percent(AT)})",
        "Of what a site sees, so many are malicious; by Bayes from TPR and FPR above.",
        ("method", *(f"{rate:.0%} malicious" for rate in BASE_RATES)),
        [(name, *(_figure(of[AT]["precision"][key(rate)]) for rate in BASE_RATES)) for name, of in methods.items()],
    )


def _saved(methods: Figures) -> Table:
    columns = [(key(timeout), key(rate)) for timeout in TIMEOUTS_S for rate in BASE_RATES]
    return Table(
        f"Sandbox time saved against a fixed timeout, by base rate (thresholds for {_percent(AT)})",
        "What was not stopped within the recording is taken to run to the timeout.",
        ("method", *(f"{timeout} s, {float(rate):.0%}" for timeout, rate in columns)),
        [
            (name, *(_figure(of[AT]["saved"][timeout][rate]) for timeout, rate in columns))
            for name, of in methods.items()
        ],
    )


def _stages(stages: Figures) -> Table:
    columns = ("fnr_1", "fpr_1", "fnr", "fpr")
    return Table(
        "After stage 1, and after both stages",
        "Whatever either stage stopped is stopped. In the public sets the later part of the same run stands for stage "
        "2: time that stage 1 did not have, and no other environment.",
        ("method", "FNR, stage 1", "FPR, stage 1", "FNR, both", "FPR, both"),
        [(name, *(_figure(of[column]) for column in columns)) for name, of in stages.items()],
    )


def _loss(loss: Figures) -> Table:
    return Table(
        f"When windows are lost on the way (thresholds for {_percent(AT)})",
        "The rules forbid to stop a session once a window of it was lost; that is their price.",
        ("method", "lost", "TPR", "FPR", "TPR without that rule", "FPR without it", "mean s without it"),
        [
            (
                name,
                _percent(share),
                *(_figure(kinds["ruled"][column]) for column in ("tpr", "fpr")),
                *(_figure(kinds["free"][column]) for column in ("tpr", "fpr", "mean_s")),
            )
            for name, of in loss.items()
            for share, kinds in of.items()
        ],
    )


def _calibration(calibration: Figures) -> Table:
    return Table(
        "What scores hold for the probability of malice after some seconds",
        "AUC, mean squared error (Brier), and expected calibration error.",
        ("score", "seconds", "AUC", "Brier", "calibration error"),
        [
            (name, key(at_s), *(_figure(of[key(at_s)][column]) for column in ("auc", "brier", "error")))
            for name, of in calibration.items()
            for at_s in FIXED_S
        ],
    )


def _alone(alone: Figures) -> Table:
    columns = ("tpr", "fpr", "mean_s", "reward")
    return Table(
        "Choosing among all five actions by themselves",
        "With no threshold set from outside; the reward is that of the configuration, for a session.",
        ("policy", "TPR", "FPR", "mean s", "reward"),
        [(name, *(_figure(of[column]) for column in columns)) for name, of in alone.items()],
    )


def _figure(of: dict[str, float | None]) -> str:
    if of["mean"] is None:
        return "-"
    low, high = ("?" if side is None else f"{side:.3g}" for side in (of["low"], of["high"]))
    return f"{of['mean']:.3g} ({low} to {high})"


def _percent(share: str) -> str:
    return f"{float(share):.0%}"
