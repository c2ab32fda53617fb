"""What the report tells, by theme: each module counts what passes, and holds no pictures."""
