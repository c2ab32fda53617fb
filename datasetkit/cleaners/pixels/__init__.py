"""Stages that change pictures: decoded once, encoded at most once, the original kept."""
