"""The tests compile: what an earlier run left in the user's compile cache must not stand in for it."""

import os

os.environ["NIMBLE_CACHE"] = "off"

# The reference needs no fast code: much of the time of the tests is XLA compiling for one more size, to which its fusion
# emitters take three times as long. Read when JAX makes its first client.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "")
    + " --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true --xla_cpu_use_fusion_emitters=false"
)
