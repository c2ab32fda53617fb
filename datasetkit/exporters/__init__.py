"""Dataset -> the folders and files that other programs read."""
