"""Array types of public functions' annotations."""

import numpy as np
from jax import Array

ArrayLike = np.ndarray | Array
