"""Losses: pure functions of logits and targets, one number per example, no reduction.

A new loss is one file, one line in `LOSSES` and a class with its options in `config.method.Loss`; one linear in
its target says so in `LINEAR_IN_TARGET`. Every loss takes `(logits, target, **options)` with classes in the last
dimension and any leading shape, and is checked against a brute-force definition in float64, gradients too.
"""

from outgrow.losses.objective import LINEAR_IN_TARGET, LOSSES, Objective, make_objective

__all__ = ["LINEAR_IN_TARGET", "LOSSES", "Objective", "make_objective"]
