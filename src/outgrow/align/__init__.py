"""Alignment of two tokenizers' pieces by their bytes (paper 1, equations 6 and 7)."""
