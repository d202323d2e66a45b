"""Simulations with a known truth: the theory of weak-to-strong generalization, and votes of plausible sources."""
