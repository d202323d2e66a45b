"""outgrow: train a strong language model from several weaker supervisors, and measure how far it gets past them."""

__version__ = "0.1.0"
