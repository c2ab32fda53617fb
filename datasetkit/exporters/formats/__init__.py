"""The forms in which a dataset leaves for other programs, a file each; export.py has the table."""
