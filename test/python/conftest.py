"""The tests compile: what an earlier run left in the user's compile cache must not stand in for it."""

import os

os.environ["NIMBLE_CACHE"] = "off"
