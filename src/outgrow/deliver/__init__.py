"""Results from a user's votes: combined labels, a trained student, and a model card."""
