"""Known-truth worlds in which the theory of weak-to-strong generalization can be watched at work."""
