"""The global random state, as values that can be compared before and after."""

import numpy as np
import torch


def global_random_state() -> dict[str, object]:
    """The states of the global generators of NumPy and PyTorch.

    Python's own is left out: the runtime check of types draws from it, to choose which element of a list to look at.
    """
    _, keys, *rest = np.random.get_state(legacy=True)
    return {"numpy": (keys.tobytes(), *rest), "torch": torch.get_rng_state().numpy().tobytes()}
