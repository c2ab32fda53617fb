"""Query -> records: what brings pictures in."""
