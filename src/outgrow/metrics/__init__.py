"""Measuring: pure numpy, arrays in, `Estimate`s out. Nothing here reads a file or knows a study."""
