"""The trust report: how reliable a table of votes is, measured before any training.

    measure_trust.py     `trust(table)`: all measurements, as plain data (`findings.py`)
    combiner_answers.py  the label of every combiner, and where combiners differ
    label_quality.py     accuracy of the combined label, with an interval;  class_quality.py: of each class
    source_quality.py    each source;  source_value.py: what it adds;  source_pairs.py: each pair of sources
    next_items.py        the items to label next
    gold_needed.py       how many items with gold would settle what
    summary.py           a headline and a few sentences
    trust_tables.py, figures.py, trust_page.py, trust_text.py   tables, drawings, one HTML file, plain text

Gold checks the fits and does not enter them, so the estimates hold for items without gold.
"""

from outgrow.trust_report.findings import Trust
from outgrow.trust_report.measure_trust import trust

__all__ = ["Trust", "trust"]
