"""What the judge's columns have in common: their types, and how they say that something never was."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEVER = np.iinfo(np.int64).min
"""The time of what did not happen."""

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
