"""Helpers that the tests of the whole compiler share."""
