"""Random numbers by the number of the update: what update n draws depends on nothing that was drawn before it."""

import numpy as np
import numpy.typing as npt

#: Updates whose numbers are made at once: a call of the generator costs as much as a thousand numbers.
_BLOCK = 64
#: Keeps these numbers apart from those of others who use the same seed.
_STREAM = 0x7265706C6179


class Draws:
    """``batch`` numbers in [0, 1) for each update, from Philox (Salmon et al. 2011), a counter-based generator.

    A counter needs no state to be saved: training that resumes at update n draws what it would have drawn.
    """

    def __init__(self, seed: int, batch: int) -> None:
        self._key = np.array([seed, _STREAM], dtype=np.uint64)
        self._batch = batch
        self._block = -1
        self._numbers = np.empty((_BLOCK, batch))

    def __call__(self, update: int) -> npt.NDArray[np.float64]:
        """Shape (batch,); do not write to it."""
        block, row = divmod(update, _BLOCK)
        if block != self._block:
            # The highest word of the counter: a block would have to draw 2**194 numbers to reach the next one's.
            generator = np.random.Generator(np.random.Philox(key=self._key, counter=[0, 0, 0, block]))
            generator.random(out=self._numbers)
            self._block = block
        drawn: npt.NDArray[np.float64] = self._numbers[row]
        return drawn
