"""From finished steps to a page and its tables: `collect` measures, `tables` and `page` show, `write` saves."""
