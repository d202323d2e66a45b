"""From an experiment to its steps: rows, stages, students, what cannot be, and the cost. Nothing runs here."""
