"""Stages that look at a set and tell what a person should know before hours of training."""
