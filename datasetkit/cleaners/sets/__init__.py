"""Stages that choose among the pictures of a set."""
