"""Stages that make records cleaner: their tags, their pixels, their number."""
