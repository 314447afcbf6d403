"""Settings for every test: property tests repeat the same cases in each run and are never judged by the clock.

`HYPOTHESIS_PROFILE=explore pytest` looks for new cases instead.
"""

import importlib.util
import os

from hypothesis import settings

settings.register_profile("repeat", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))

# The examples of the XLA engine need the extra that brings jax.
collect_ignore = [] if importlib.util.find_spec("jax") else ["src/saltus/backend/xla.py"]

# The programs beside stored values say how these were made; they need other systems and are no tests.
collect_ignore_glob = ["tests/*/values/make_*.py"]
