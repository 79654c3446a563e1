"""Whole models and programs of symbolic size: compiled once, run at many sizes, compared with jax.jit."""
