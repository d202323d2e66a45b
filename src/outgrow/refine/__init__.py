"""Rewriting weak labels by the strong model: `WeakTexts` in, `WeakTexts` out."""
