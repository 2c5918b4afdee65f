"""The seed of what tests choose at random: CONFREG_TEST_SEED, or a fixed one. scripts/test draws one
for each run and says it; so does the head of each run of pytest, and each failure. The programs in C
take the same one (random.h)."""

import os
import random

SEED = int(os.environ.get("CONFREG_TEST_SEED", "20260131"))
SAID = f"CONFREG_TEST_SEED={SEED}"


def chance(*purpose):
    """A source of random numbers for one purpose: chance("writer", 3)."""
    return random.Random("-".join(map(str, (SEED, *purpose))))
