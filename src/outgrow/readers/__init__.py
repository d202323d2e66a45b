"""Readers of votes and texts: from a file or a table in memory to a `VoteTable` or `WeakTexts`.

In the order in which they are used:

source_table        a table as columns by name, each row with its place
csv_files, json_files, arrow_files    the file formats;  open_table: picks one of them
label_studio, argilla, labelling_functions   exports of labelling tools, as plain long tables
column_roles        which column is what;  column_hints: options to try where the header does not tell
class_columns, joined_columns, nested_cells  one column per class; items of several columns; cells with lists
row_filter          which rows count
categorical         a column as numbers into its distinct texts
vote_rows           all votes in one form: one row per vote
long_and_wide, matrix, long_rows      tables, arrays and exports in that form
soft_votes          probabilities and confidences
gold                known true classes
spellings           class names that differ in case or white space only
decide_classes      the order of the classes
ambiguous_columns, dates   columns that are probably no votes: the reader asks
repeated_votes      several votes of one source on one item
to_vote_table       checks, and the `VoteTable`
equal_numbers       names that are one number written in two ways
read_votes, read_texts     the entry points
"""
