"""Folders -> LoRA -> pictures: the integrated trainer and painter, after kohya's semantics."""
