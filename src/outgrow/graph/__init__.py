"""Steps, the store of their results, and the runner. This package does not depend on models or tasks."""
