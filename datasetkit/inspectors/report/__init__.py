"""The report on a dataset: what is in it, gathered in one pass, drawn on one page of HTML."""
