"""From numbers to tables, in every format."""
