"""The model that is shipped serves with the features and keys that are configured by default."""

import numpy as np

from drlactors.config import load
from drlactors.domain.features import FeatureSchema
from drlactors.inference import load_model, packaged_model
from drlactors.wiring import trust


def test_the_packaged_model_serves_the_default_features():
    policy = load_model(packaged_model(), FeatureSchema(), trust(load("prod", environ={}).settings))
    assert policy.metadata.version == 1
    assert np.isfinite(policy.rank(np.ones((3, 30), dtype=np.float32))).all()
