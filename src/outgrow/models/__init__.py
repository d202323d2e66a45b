"""Pretrained models: where they come from, what they see of an item, and what they answer without training."""
