"""JAX functions into StableHLO: the only package that imports jax."""
