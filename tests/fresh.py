"""Fresh random inputs: seeds that differ from run to run and are told in the header of the run (`conftest.py`)."""

import os

import numpy as np

SEEDS: list[int] = np.random.SeedSequence(int(os.environ["OUTGROW_TEST_SEED"])).generate_state(3).tolist()
