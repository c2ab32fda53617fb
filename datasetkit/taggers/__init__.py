"""Models that look at a picture and say what is in it."""
