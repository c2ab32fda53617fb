"""What is known of a site: where it is, its words, its limits, its pace."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from datasetkit.errors import UsageError, did_you_mean

RATINGS = MappingProxyType({"g": "general", "s": "sensitive", "q": "questionable", "e": "explicit"})
LETTERS = MappingProxyType({letter: letter for letter in RATINGS})
WORDS = MappingProxyType({word: letter for letter, word in RATINGS.items()} | {"safe": "g"})


@dataclass(frozen=True)
class Site:
    """One site. ``ratings`` maps the portable letters that it has to its own search words.

    No ratings at all stand for a site that tells none. ``reads`` maps the words in its answers
    back to letters. ``page`` is the most posts an answer holds; numbered pages end after
    ``pages`` pages or ``depth`` posts (0: no known end). ``terms`` is how many counted terms a
    search takes without a better account (0: any number). ``rate`` and ``file_rate`` are requests
    a second, ``at_once`` how many files are fetched side by side. ``md5`` says that it tells the
    md5 of its files. ``kinds`` is how the kinds of tags are told.
    """

    name: str
    family: str
    url: str
    ratings: Mapping[str, str]
    reads: Mapping[str, str]
    api_url: str = ""
    answers: str = "json"
    needs_key: bool = False
    key_help: str = ""
    referer: str = ""
    page: int = 100
    pages: int = 0
    depth: int = 0
    terms: int = 0
    rate: float = 1
    file_rate: float = 2
    at_once: int = 4
    md5: bool = True
    kinds: str = "with each post"
    sends_rating: bool = True
    braces: bool = False  # as Gelbooru's own: {a ~ b} asks for either, an order takes a seed
    builds_urls: bool = False  # its JSON names directory and image where its XML has the URL
    also: tuple[str, ...] = ()

    @property
    def key_name(self) -> str:
        """The name with nothing but letters, digits and ``_``: for keys of records."""
        return re.sub(r"\W+", "_", self.name).strip("_")

    @property
    def broad(self) -> bool:
        """Say whether its safest rating holds what Danbooru calls sensitive too."""
        safest = self.ratings.get("g", "")
        several = len(self.ratings) > 1 or safest not in {"g", "general"}
        return bool(safest) and "s" not in self.ratings and several

    def variable(self, what: str) -> str:
        """The environment variable that holds a login, user id or API key for this site."""
        return f"DSK_{self.key_name.upper()}_{what}"

    def look_at(self, *whats: str) -> str:
        """Where a key may stand that the site refuses, as the end of a sentence."""
        names = " and ".join(map(self.variable, whats))
        return f"look at {names}, or see dsk auth check {self.name}"

    def letters(self, words: str) -> str:
        """Read a comma list of ratings ("" is the safest) as portable letters this site has.

        A site without ratings gives "" for no words, and refuses any.
        """
        if not words.strip():
            return next(iter(self.ratings), "")
        chosen = dict.fromkeys(_letter(word.strip().lower()) for word in words.split(","))
        if self.broad and "g" in chosen:
            chosen.pop("s", None)  # its safe pictures hold both
        for letter in chosen:
            if letter not in self.ratings:
                has = ", ".join(RATINGS[letter] for letter in self.ratings) or "none at all"
                raise UsageError(f"{self.name} has no rating {RATINGS[letter]!r}; it has {has}")
        return "".join(chosen)


def _letter(word: str) -> str:
    letter = LETTERS.get(word) or WORDS.get(word)
    if letter is None:
        raise UsageError(f"there is no rating {word!r}; {did_you_mean(word, {*WORDS, *LETTERS})}")
    return letter
