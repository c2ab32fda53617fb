"""What a family of sites is: how it is asked, and what its answers mean.

A family is code and holds no state; a site of it is a row (see sites.py). What differs between
families is here as methods, those with a good answer for most of them filled in.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from datasetkit.grabbers.posts import Page, Post
from datasetkit.grabbers.query import Plan, Query
from datasetkit.grabbers.site import Site

if TYPE_CHECKING:
    from datasetkit.web import Answer, Keys


@dataclass(frozen=True)
class Credentials:
    """A user's login, user id and API key for a site; ``repr`` shows none of them."""

    login: str = ""
    user_id: str = ""
    api_key: str = ""

    def __repr__(self) -> str:
        return "Credentials(...)"


@dataclass(frozen=True)
class Request:
    """One question to a site's API."""

    path: str
    params: Mapping[str, str | int] = field(default_factory=dict)


Ask: TypeAlias = Callable[[Request], "Answer"]


@dataclass(frozen=True)
class Place:
    """Where a listing stands: a page (from 0), of all posts or of those before an id.

    ``below`` begins a listing by score anew at the score where the pages ended.
    """

    number: int = 0
    before: int | None = None
    below: int | None = None

    def terms(self) -> list[str]:
        """The place as search terms, as most sites write them."""
        before = [f"id:<{self.before}"] if self.before is not None else []
        return before + ([f"score:<={self.below}"] if self.below is not None else [])


@dataclass(frozen=True)
class TagFact:
    """A tag as a site knows it: its true name (no alias), its kind, how many posts bear it.

    ``count`` is None where the site does not tell it.
    """

    name: str
    kind: str
    count: int | None


class Family(ABC):
    """A family of sites that speak alike.

    ``orders`` maps the portable orders it has to its own words. ``wants`` names the credentials
    it takes, the API key last. ``by_id`` says that without an order it pages from id to id, which
    never ends and never shifts. ``batch`` is how many posts :meth:`these` may ask for at once.
    A site that does not tell its aliases may know a name that :meth:`named` does not find.
    """

    orders: ClassVar[Mapping[str, str]]
    wants: ClassVar[tuple[str, ...]] = ("LOGIN", "API_KEY")
    by_id: ClassVar[bool] = False
    batch: ClassVar[int] = 1
    tells_aliases: ClassVar[bool] = True

    @abstractmethod
    def plan(self, query: Query, letters: str, site: Site, counts: Mapping[str, int]) -> Plan:
        """Turn a query into what the site is sent, and what is left to filter here."""

    @abstractmethod
    def request(self, plan: Plan, site: Site, place: Place, size: int) -> Request:
        """Ask for the posts at a place of a listing, at most ``size``."""

    @abstractmethod
    def read(self, answer: "Answer", site: Site) -> Page:
        """Read a page of posts, or raise SiteError with a sentence for whatever else came."""

    @abstractmethod
    def these(self, ids: Sequence[str], site: Site) -> Request:
        """Ask for posts by their numbers, at most ``batch`` of them; :meth:`read` reads them."""

    def keys(self, own: Credentials) -> "Keys":
        """Say how a user's credentials are sent; none are, unless a family knows how."""
        from datasetkit.web import Keys

        return Keys()

    def user(self, own: Credentials) -> str:
        """Who the user is, for the User-Agent of sites that ask for it."""
        return ""

    def terms(self, ask: Ask, site: Site, own: Credentials) -> int:
        """How many counted terms this user's searches may hold; 0 for any number."""
        return site.terms

    def named(self, ask: Ask, site: Site, name: str) -> TagFact | None:
        """Look a tag up by its name or an alias of it; None where there is none.

        Raises NotImplementedError where the site tells nothing of its tags.
        """
        raise NotImplementedError

    def like(self, ask: Ask, site: Site, start: str) -> list[TagFact]:
        """Find tags that begin so, the most used first."""
        return []

    def near(self, ask: Ask, site: Site, start: str) -> list[TagFact]:
        """Find tags that begin so, as many as may be: a misspelt name is sought among them."""
        return self.like(ask, site, start)

    def kinds(self, ask: Ask, site: Site) -> Callable[[list[Post]], list[Post]]:
        """What gives the tags of posts their kinds, where the answer itself does not tell them."""
        return lambda posts: posts

    def completed(self, post: Post, ask: Ask, site: Site) -> Post:
        """Ask for what a listing leaves out of a post that is wanted."""
        return post
