"""Ways to learn, by name: each is settings of the one agent."""

from drlactors.learner.agent import PLAIN, Settings

#: Fitted Q iteration (Riedmiller 2005), for experiences that hold every choice in every state: large batches, targets
#: that stay for a pass, and weights held small, because there are few artifacts. The loss is square: rewards go from
#: -2 to 1, and what is linear beyond 1 takes the middle of them for their mean. That stopped 62 instead of 30 of 100
#: benign sessions held out, for the same reward.
FITTED = Settings(
    hidden=(64, 64),
    steps=1,
    support=0.0,
    huber=10.0,
    batch=512,
    learning_rate=1e-3,
    weight_decay=1e-2,
    target_period=50,
)

#: For a log: what was not tried there has no support, and is not taken for good.
LIVE = FITTED._replace(support=0.3)

METHODS: dict[str, Settings] = {
    "fitted-q": FITTED,
    "bcq": LIVE,
    "cql": FITTED._replace(conservative=0.1),
    "dqn": PLAIN,
}
