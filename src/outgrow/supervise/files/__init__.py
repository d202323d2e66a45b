"""Votes that lie in a file or in memory, on their way to a `VoteTable`.

sheet          any source of rows as columns by name, each row with its place
separated, json_rows, columnar      the file formats
open_sheet     the right one of them
label_studio, argilla, weak_labels  exports of labelling tools, as rows of the plain long table
header         which column is what; hints: what could be tried where it does not tell
class_columns, joined, nested       columns of a class each, items of several columns, cells of lists
rows           which rows count
coded          a column as numbers, or as numbers into its different texts
ballots        all that was said in one form: one row per thing said
tables, matrix, long_rows           tables, arrays and exports in that form
distributions  probabilities and confidences
gold           what is known to be true
spellings      classes that differ only in case or white space
classes        whose names the labels may have
doubts, dates  what most likely is no vote, and is asked
repeats        several votes of one source on one item
count          checks, and the `VoteTable`
numbers_twice  names that are one number written in two ways
texts          the same tables with texts, to `WeakTexts`
"""
