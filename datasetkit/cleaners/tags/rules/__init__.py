"""The rules of ``clean``, each a small thing that stands alone.

A rule of words, ``rule(name, kind) -> name``, says what a tag should be called: the same name to
leave it, "" to take it away. :class:`~datasetkit.cleaners.tags.rules.words.Words` asks all
of them once for each name. A rule of captions, ``rule(tags, record) -> tags``, sees all tags of a
picture, and returns the very same tuple where it changes nothing.
"""
