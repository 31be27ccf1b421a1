"""Lets the tests, and ``gym.make``, import the test environments by name; no deadlines on shared machines."""

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))
settings.register_profile("telos", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("telos")
