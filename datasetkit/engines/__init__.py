"""How stages run: one machine now, with the same records in the same order wherever it is."""
