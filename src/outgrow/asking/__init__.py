"""Votes of models on items: `outgrow ask`."""
