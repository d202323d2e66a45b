"""Fresh random inputs: their seed is in the header of the run and with every failing test (`conftest.py`)."""

import os

import numpy as np

SEEDS: list[int] = np.random.SeedSequence(int(os.environ["OUTGROW_TEST_SEED"])).generate_state(3).tolist()
