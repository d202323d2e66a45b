"""Readers of tables: items as rows, votes as a `VoteTable`, texts as `WeakTexts`; from files and from memory.

In the order in which they are used:

raw_file            bytes of a file, checked;  source_table: columns and rows by name, with the place of every row
csv_files, json_files, arrow_files    the file formats;  open_table: picks one of them
matrix              arrays, and collections of labelling functions
column_roles        which column is what;  column_hints, column_patterns: options to try where the header is not enough
platforms           exports of labelling platforms: from their shape to a table with a row per vote
row_filter          which rows count
categorical         a column as numbers into its distinct texts
vote_rows           all votes in one form: one row per vote;  long_and_wide: tables in that form
soft_votes          probabilities and confidences;  gold: known true classes
class_names, classes_of_votes    names that differ in case or white space; the order of the classes
ambiguous_columns   columns that are probably no votes: the reader asks
repeated_votes      several votes of one source on one item
to_vote_table       checks, and the `VoteTable`
read_votes, read_texts     the entry points for votes
"""
