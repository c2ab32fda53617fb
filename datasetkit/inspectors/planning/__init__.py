"""What a training will need, worked out before it: its numbers, its memory, its time."""
