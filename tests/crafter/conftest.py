"""Lets the tests of this folder import the modules beside them, and those that test folders share."""

import sys
from pathlib import Path

sys.path[:0] = map(str, Path(__file__).parents[:2])
