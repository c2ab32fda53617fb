"""One site's search: names made sure of, posts listed, judged, and offered with their files."""

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from datasetkit.errors import SiteError, UsageError
from datasetkit.grabbers.families import family_of
from datasetkit.grabbers.family import Ask, Credentials
from datasetkit.grabbers.filenames import stem
from datasetkit.grabbers.listing import listed
from datasetkit.grabbers.names import Meaning, meanings
from datasetkit.grabbers.posts import Post
from datasetkit.grabbers.query import Plan, Query
from datasetkit.grabbers.selection import Artists, Wishes, unfit
from datasetkit.grabbers.site import RATINGS, Site
from datasetkit.names import same_file
from datasetkit.pixels import Picture
from datasetkit.record import Record
from datasetkit.safety import check_query
from datasetkit.stage import Drop, Find, Known, Note

if TYPE_CHECKING:
    from datasetkit.web import Session


AT_ONCE_MOST = 16


def asking(session: "Session") -> Ask:
    """What a family asks its site with."""
    return lambda request: session.api(request.path, request.params)


def on_this_machine(site: Site) -> bool:
    """Say whether a site is a server on loopback, which needs no patience."""
    from datasetkit.web.wire import is_loopback

    return is_loopback(urlsplit(site.url).hostname or "")


def open_session(
    site: Site, own: Credentials, say: Callable[[str], object], tries: int = 5
) -> "Session":
    """Open a session with a site under a user's credentials; ``say`` takes its sentences."""
    from datasetkit.web import Limits, Session

    family = family_of(site)
    here = on_this_machine(site)
    return Session(
        site.api_url or site.url,
        keys=family.keys(own),
        user=family.user(own),
        rate=0 if here else site.rate,
        file_rate=0 if here else site.file_rate,
        limits=Limits(tries=tries, first_wait=0.05 if here else 1),
        say=say,
    )


@dataclass
class Search:
    """A query on one site, with what is wanted of its posts, and the count of what came of it.

    ``alone`` says that it is the only site: then a name that it does not know is an error, else
    the site is passed over.
    """

    site: Site
    query: Query
    letters: str
    session: "Session"
    said: deque[str]
    wishes: Wishes
    artists: Artists
    limit: int
    file: str
    frames: int
    template: str
    newer: bool
    exact: bool
    alone: bool
    scanned: int = 0
    kept: int = 0
    at_hand: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    # Names under way, which the dataset does not know yet.
    taken: deque[str] = field(default_factory=lambda: deque(maxlen=4 * AT_ONCE_MOST))

    def find(self, known: Known) -> Iterator[Find | Drop | Note]:
        """Offer what is wanted, in the site's order. Raises SiteError, and UsageError for names."""
        family, ask = family_of(self.site), asking(self.session)
        found = meanings(family, ask, self.site, self.query.names)
        names = {term: meaning.tag.name for term, meaning in found.items() if meaning.tag}
        query = self.query.renamed(names)
        check_query([*query.terms, *query.either, f"rating:{','.join(self.letters)}"])
        yield from self._told(found)
        if not self._servable(found):
            return
        counts = {m.tag.name: m.tag.count or 0 for m in found.values() if m.tag}
        plan = family.plan(query, self.letters, self.site, counts)
        yield Note(f"{self.site.name} is asked for {plan}")
        if self.letters == "g" and self.site.broad:
            yield Note(f"{self.site.name} has no rating between general and questionable: "
                       "its safe pictures hold sensitive ones too")  # fmt: skip
        if not self.letters:
            yield Note(f"{self.site.name} tells no ratings; look at what comes", warning=True)
        # A tag that the site was seen to know must stand on each post that it gives.
        sure = [term for term in query.terms if counts.get(term)]
        checked = replace(plan, terms=tuple(dict.fromkeys((*plan.terms, *sure))))
        size = min(self.site.page, max(self.limit, 20)) if self.limit else self.site.page
        for item in listed(family, ask, self.site, plan, size):
            while self.said:
                yield Note(self.said.popleft())
            if isinstance(item, Note):
                yield item
                continue
            ended = yield from self._offered(item, query, checked, known)
            if ended:
                break
        yield from (Note(text) for text in self.said)
        yield Note(self._summary())
        if not self.kept:
            yield Note(self._nothing(query), warning=True)

    def _offered(
        self, post: Post, query: Query, plan: Plan, known: Known
    ) -> Generator[Find | Drop | Note, None, bool]:
        """Offer one post, or say why not; returns whether the search is at its end."""
        self.scanned += 1
        if reason := unfit(post, query, plan, self.letters, self.wishes):
            self.left_out[reason] += 1
            yield Drop(reason)
            return False
        key = known.post(self.site.name, post.id)
        if key is not None:
            origin = known.origin(key)
            if self.newer and origin and origin.query == query.canonical:
                return True
            self.at_hand += 1
            self.kept += not self.newer
            self.artists.count(post.tags)
            yield Drop("known already")
        elif reason := self.artists.refuses(post):
            self.left_out[reason] += 1
            yield Drop(reason)
        else:
            try:
                found = self._find(post, query, known)
            except SiteError as error:
                yield Note(f"post {post.id} is left out: {error}", warning=True)
                yield Drop("posts that do not tell their file", error=True)
                return False
            self.kept += 1
            self.artists.count(post.tags)
            yield found
        return self.kept == self.limit

    def _find(self, post: Post, query: Query, known: Known) -> Find:
        post = family_of(self.site).completed(post, asking(self.session), self.site)
        key = stem(self.template, post, self.site, self.kept + 1)
        if same_file(key) in self.taken or known.like(key) is not None:
            key = f"{key}-{self.site.key_name}_{post.id}"
        self.taken.append(same_file(key))
        file = post.file(self.file)
        names = " ".join(tag.name for tag in post.tags)
        origin = replace(post.origin, tags=names, query=query.canonical)
        name = f"{key}.{file.ext}"
        fetch = partial(
            self.session.download,
            file.url,
            md5=file.md5,
            size=file.size,
            referer=self.site.referer,
            moving=bool(self.frames),
        )
        record = Record(key, Picture(Path(name), (post.width, post.height)), post.tags, origin)
        return Find(record, name, fetch, size=post.size, frames=self.frames, compare=True)

    def _told(self, found: dict[str, Meaning]) -> Iterator[Note]:
        """Say what each name means; raise UsageError for one that no post of the site bears."""
        servable = self._servable(found)
        for term, meaning in found.items():
            if not servable and not meaning.known and term in self.query.terms:
                alias = "" if self._sure_of_names() else "; if it is an alias there, say --exact"
                if self.alone:
                    raise UsageError(f"{self.site.name}: {meaning}{alias}")
                yield Note(f"{self.site.name} is passed over: {meaning}{alias}", warning=True)
            elif not meaning.known:
                yield Note(f"{self.site.name}: {meaning}", warning=not self.exact)
            elif meaning.doubtful and not self.exact:
                other = meaning.candidates()
                text = (
                    f"{self.site.name}: {meaning}; there is also: {other} (--exact for no warning)"
                )
                yield Note(text, warning=True)
            else:
                yield Note(f"{self.site.name}: {meaning}")

    def _servable(self, found: dict[str, Meaning]) -> bool:
        """Say whether the site can have any post that the query asks for."""
        unknown = [term for term in self.query.terms if term in found and not found[term].known]
        return not unknown or (self.exact and not self._sure_of_names())

    def _sure_of_names(self) -> bool:
        return family_of(self.site).tells_aliases

    def _summary(self) -> str:
        """The sum of a search in a line."""
        known = f" ({self.at_hand} known already)" if self.at_hand else ""
        left = ", ".join(f"{count} {reason}" for reason, count in self.left_out.most_common())
        told = f"{self.site.name}: scanned {self.scanned} posts, kept {self.kept}{known}"
        return told + (f"; left out: {left}" if left else "")

    def _nothing(self, query: Query) -> str:
        """What to look at where nothing came."""
        if self.newer:
            return f"{self.site.name} has nothing newer"
        if self.scanned:
            return (
                "no picture is left: every post that was found was left out, for the reasons above"
            )
        ratings = ", ".join(RATINGS[letter] for letter in self.letters)
        asked = f"{query.text!r}" + (f" with rating {ratings}" if ratings else "")
        return f"{self.site.name} finds nothing for {asked}; is each name right there?"
