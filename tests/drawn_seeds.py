"""Seeds of drawn inputs. They follow from the run's seed, shown in its header (`conftest.py`)."""

import os

import numpy as np

SEEDS: list[int] = np.random.SeedSequence(int(os.environ["OUTGROW_TEST_SEED"])).generate_state(3).tolist()
