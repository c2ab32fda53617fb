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
from datasetkit.grabbers.family import Ask, Credentials, Family
from datasetkit.grabbers.filenames import stem
from datasetkit.grabbers.listing import listed
from datasetkit.grabbers.names import Meaning, meanings
from datasetkit.grabbers.posts import Post, whole
from datasetkit.grabbers.query import Plan, Query, words_here
from datasetkit.grabbers.selection import Artists, Wishes, bears, unfit
from datasetkit.grabbers.site import RATINGS, Site
from datasetkit.names import same_file
from datasetkit.pixels import Picture
from datasetkit.record import Record
from datasetkit.safety import check_query
from datasetkit.stage import Drop, Find, Known, Note

if TYPE_CHECKING:
    from datasetkit.web import Session


AT_ONCE_MOST = 16
HELD = 10_000  # newer posts that are held at a time, to be offered the oldest first


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
    return Session(
        site.api_url or site.url,
        keys=family.keys(own),
        user=family.user(own),
        rate=site.rate,
        file_rate=site.file_rate,
        limits=Limits(tries=tries, first_wait=0.05 if on_this_machine(site) else 1),
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
    taken: deque[str]  # names under way, which the dataset does not know yet
    idle: set[str] = field(default_factory=set)  # of the tags to exclude, those that none had
    scanned: int = 0
    kept: int = 0
    at_hand: int = 0
    untyped: int = 0
    undated: int = 0
    behind: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

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
        if "g" in self.letters and self.site.broad:
            yield Note(f"{self.site.name} has no rating between general and questionable: "
                       "its safe pictures hold sensitive ones too")  # fmt: skip
        if not self.letters:
            yield Note(f"{self.site.name} tells no ratings; look at what comes", warning=True)
        # A tag that the site was seen to know must stand on each post that it gives.
        sure = [term for term in query.terms if counts.get(term)]
        checked = replace(plan, terms=tuple(dict.fromkeys((*plan.terms, *sure))))
        if all(counts.get(term) for term in query.either):
            checked = replace(checked, here=(*plan.here, *(f"~{term}" for term in query.either)))
        mark = self._mark(query, known) if self.newer else None
        if mark is None:
            size = min(self.site.page, max(self.limit, 20)) if self.limit else self.site.page
            posts = listed(family, ask, self.site, plan, size)
            ended = yield from self._all(posts, query, checked, known)
        else:
            listing = partial(listed, family, ask, self.site, plan, self.site.page)
            ended = yield from self._since(mark, listing, query, checked, known)
        while self.said:  # downloads add to it all the while
            yield Note(self.said.popleft())
        yield Note(self._summary())
        if query.order == "random" and not (ended or plan.seeded):
            yield Note(f"{self.site.name}: pages of a random order overlap, so that not all posts "
                       "may have come; without the order they do", warning=True)  # fmt: skip
        if self.untyped:
            many = f"{self.untyped} post{'s do' if self.untyped > 1 else ' does'} not tell"
            text = f"{self.site.name}: {many} the kinds of all tags; those stand as general"
            yield Note(text, warning=self.artists.wanted)
        if self.undated:
            text = f"{self.site.name}: {self.undated} came that do not tell when they were posted"
            yield Note(text, warning=True)
        if self.behind:
            yield Note(self._cut_off(), warning=True)
        if not self.kept:
            yield Note(self._nothing(query, found), warning=True)

    def _all(
        self, posts: Iterator[Post | Note], query: Query, plan: Plan, known: Known
    ) -> Generator[Find | Drop | Note, None, bool]:
        """Offer what is listed as it comes; returns whether the limit ended it."""
        for item in posts:
            while self.said:
                yield Note(self.said.popleft())
            if isinstance(item, Note):
                yield item
                continue
            if (yield from self._wanted(item, query, plan, known)):
                yield from self._offered(item, query, plan, known)
            if self._full:
                return True
        return False

    def _since(
        self,
        mark: int,
        listing: Callable[[], Iterator[Post | Note]],
        query: Query,
        plan: Plan,
        known: Known,
    ) -> Generator[Find | Drop | Note, None, bool]:
        """Offer what was posted after ``mark``, the oldest first; returns whether the limit did it.

        The newest at hand is the next run's mark: so wherever a run ends, it leaves no gap. Only
        so many posts are held; where there are more, the newer ones are listed once more.
        """
        first = True
        while True:
            held: deque[Post] = deque(maxlen=HELD)
            newer = 0
            for item in listing():
                while self.said:
                    yield Note(self.said.popleft())
                if isinstance(item, Note):
                    if first:
                        yield item
                    continue
                if int(item.id) <= mark:
                    break
                if first:
                    wanted = yield from self._wanted(item, query, plan, known)
                else:  # counted already
                    reason = unfit(item, query, plan, self.letters, self.wishes)
                    wanted = not reason and known.post(self.site.name, item.id) is None
                if wanted:
                    held.append(item)
                    newer += 1
            while held:
                post = held.pop()
                newer -= 1
                mark = int(post.id)
                yield from self._offered(post, query, plan, known)
                if self._full:
                    self.behind = newer
                    return True
            if not newer:
                return False
            first = False

    def _mark(self, query: Query, known: Known) -> int | None:
        """The number of the newest post here that this query found on this site, if any."""
        numbers = [
            whole(place.post.partition("#")[0])
            for record in known.records
            for place in (record.origin, *record.also)
            if place.site == self.site.name and place.query == query.canonical
        ]
        return max((number for number in numbers if number is not None), default=None)

    @property
    def _full(self) -> bool:
        return bool(self.limit) and self.kept >= self.limit

    def _wanted(
        self, post: Post, query: Query, plan: Plan, known: Known
    ) -> Generator[Drop, None, bool]:
        """Look at one post: count it, and say why it is passed over, if it is."""
        self.scanned += 1
        self.idle -= {pattern for pattern in self.idle if bears(post, pattern)}
        if reason := unfit(post, query, plan, self.letters, self.wishes):
            self.left_out[reason] += 1
            yield Drop(reason)
            return False
        key = known.post(self.site.name, post.id)
        if key is None:
            return True
        self.at_hand += 1
        self.kept += not self.newer
        if known.record(key) is None:  # left out since; what stands is counted already
            self.artists.count(post)
        yield Drop("known already")
        return False

    def _offered(
        self, post: Post, query: Query, plan: Plan, known: Known
    ) -> Iterator[Find | Drop | Note]:
        """Offer one post that is wanted, unless its artist or its file is against it."""
        if reason := self.artists.refuses(post):
            self.left_out[reason] += 1
            yield Drop(reason)
        else:
            try:
                post = family_of(self.site).completed(post, asking(self.session), self.site)
            except SiteError as error:
                yield Note(f"post {post.id} is left out: {error}", warning=True)
                yield Drop("posts that do not tell their file", error=True)
                return
            if post.gone:
                self.left_out[post.gone] += 1
                yield Drop(post.gone)
                return
            found = self._find(post, query, known)
            self.kept += 1
            self.untyped += not post.kinds_told
            self.undated += str(query.dates) in plan.here and not post.origin.posted
            self.artists.count(post)
            yield found

    def _find(self, post: Post, query: Query, known: Known) -> Find:
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
        return Find(record, name, fetch, size=file.size, frames=self.frames, compare=True)

    def _told(self, found: dict[str, Meaning]) -> Iterator[Note]:
        """Say what each name means; raise UsageError for one that no post of the site bears."""
        lost = [t for t in self.query.names if t not in found and not {"*", "?"} & set(t)]
        if lost:
            text = f"{self.site.name}: not looked up, so taken as it stands: {', '.join(lost)}"
            tells = type(family_of(self.site)).named is not Family.named
            yield Note(text, warning=tells and not self.exact)
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
        many = f"{self.scanned} post{'s' * (self.scanned != 1)}"
        told = f"{self.site.name}: scanned {many}, kept {self.kept}{known}"
        return told + (f"; left out: {left}" if left else "")

    def _cut_off(self) -> str:
        """What to do about newer posts that the limit left behind."""
        more = f"{self.behind:,} newer post{'s' * (self.behind != 1)}"
        return (
            f"{self.site.name}: {more} or more remain beyond the limit of {self.limit}; the next "
            "--newer goes on with them, or raise --limit"
        )

    def _nothing(self, query: Query, found: dict[str, Meaning]) -> str:
        """What to look at where nothing came."""
        if self.newer and not self.left_out:
            return f"{self.site.name} has nothing newer"
        if self.scanned:
            return (
                "no picture is left: every post that was found was left out, for the reasons above"
            )
        ratings = ", ".join(RATINGS[letter] for letter in self.letters)
        asked = f"{query.text!r}" + (f" with rating {ratings}" if ratings else "")
        names = (*self.query.terms, *self.query.either)
        if not all(name in found and found[name].known for name in names):
            return f"{self.site.name} finds nothing for {asked}; is each name right there?"
        narrow = ["its tags together"] if len(query.names) > 1 else []
        narrow += ["the rating"] if ratings and len(self.letters) < len(self.site.ratings) else []
        narrow += words_here(replace(query, either=()), ())
        narrow += [f"md5:{query.md5}"] if query.md5 else []
        why = (
            f"too narrow may be {', '.join(narrow)}" if narrow else "such posts may be hidden there"
        )
        return f"{self.site.name} finds nothing for {asked}; {why}"
