"""Steps, the store that keeps their results, and the runner: knows nothing of models or tasks."""
