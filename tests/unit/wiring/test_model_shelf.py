"""The folder of models as a learner uses it: what hinders it is said in the words of its port."""

from pathlib import Path

import pytest
import torch

from drlactors.config import load
from drlactors.domain.action import Action
from drlactors.learner.evaluation import Evaluation
from drlactors.learner.export import export
from drlactors.learner.network import Ranking, network
from drlactors.ports.policy import PolicyError
from drlactors.signing import make_key
from drlactors.wiring.learning import ModelShelf, task_of

HELD = Evaluation(
    sessions=1,
    accuracy=1.0,
    false_positive_rate=0.0,
    false_negative_rate=0.0,
    mean_decision_s=0.0,
    mean_reward=0.0,
    reviews=0,
)


@pytest.mark.parametrize("hindrance", ["no folder can be made", "the key is gone"])
def test_a_candidate_that_cannot_be_put_away_is_named_with_what_hinders_it(
    hindrance: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, folder = tmp_path / "models.key", tmp_path / "models"
    monkeypatch.setenv("DRLACTORS_MODELS__TRUSTED_KEYS", f'["{make_key(key)}"]')
    monkeypatch.setenv("DRLACTORS_MODELS__FOLDER", str(folder))
    monkeypatch.setenv("DRLACTORS_LEARNER__KEY", str(key))
    settings = load("prod").settings
    task = task_of(settings)
    q = network(len(task.schema.names), (4,), len(Action), torch.Generator().manual_seed(0))
    made = export(
        Ranking(q),
        task.schema,
        HELD,
        version=1,
        date="2026-11-30T00:00:00+00:00",
        episodes=1,
        loss=0.0,
        hyperparameters={},
    )
    shelf, hinders = ModelShelf(settings, task), key if hindrance == "the key is gone" else folder
    key.rename(tmp_path / "away") if hinders is key else folder.touch()
    with pytest.raises(PolicyError, match=str(hinders)):
        shelf.add(made)
    (tmp_path / "away").rename(key) if hinders is key else folder.unlink()
    assert shelf.add(made)
