"""What may be wrong with a set, a file a theme: each finding with the command that mends it."""
