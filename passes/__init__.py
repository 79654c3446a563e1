"""Passes over the nimble dialect, one a file, the registries of shape functions and lowering rules, and the pipeline."""
