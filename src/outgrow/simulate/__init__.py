"""Simulations with a known truth that test the theory of weak-to-strong generalization."""
