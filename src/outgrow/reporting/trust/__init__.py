"""Should I trust these labels? A report on votes alone, before anything is trained.

    measures.py     `trust(table)`: everything measured, as plain data (`findings.py` says what)
    answers.py      what the combiners make of the votes, and where they differ
    label_quality.py  how good the combined label is, with an interval that allows for the truth being in doubt
    sources.py      every source by itself;  pairs.py: every two of them
    next_items.py   which items to label next
    verdict.py      three sentences
    tables.py, figures.py, page.py, text.py     the same as tables, drawings, one HTML file, Markdown and plain text

Gold is used to check and never to fit, so that what is said holds for the items without gold.
"""

from outgrow.reporting.trust.findings import Trust
from outgrow.reporting.trust.measures import trust

__all__ = ["Trust", "trust"]
