"""Training: linear heads on frozen features, one Trainer for whole models, the fair search, and late adjustments."""
