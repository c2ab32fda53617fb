"""Stages that change captions, each tag with a reason."""
