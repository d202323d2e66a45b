"""Metrics: pure functions of arrays and texts. This package reads no file and imports nothing of a study."""
