"""Pairwise preferences of several judges: which of two texts is better, which system, and which judge to believe."""
