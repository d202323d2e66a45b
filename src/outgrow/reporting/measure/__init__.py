"""From evidence to numbers with intervals: rows, and what the analyses ask."""
