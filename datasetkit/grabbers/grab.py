"""The ``grab`` source: a query in, the pictures that boorus find for it out."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from datasetkit.errors import SiteError, UsageError, did_you_mean
from datasetkit.grabbers.credentials import credentials_for
from datasetkit.grabbers.families import family_of
from datasetkit.grabbers.filenames import DEFAULT, check_template
from datasetkit.grabbers.names import Meaning, described, meanings
from datasetkit.grabbers.posts import FILES
from datasetkit.grabbers.query import Query, check_text, parse
from datasetkit.grabbers.search import AT_ONCE_MOST, Search, asking, open_session
from datasetkit.grabbers.selection import Artists, Wishes
from datasetkit.grabbers.site import RATINGS, Site
from datasetkit.grabbers.sites import all_sites, site_named
from datasetkit.grabbers.stills import FRAMES, frames_meant
from datasetkit.safety import check_query
from datasetkit.stage import Choose, Drop, Find, Known, Note, Source, opt


@dataclass(frozen=True)
class Grab(Source):
    """Fetch the pictures that boorus find for a query, with their typed tags.

    A query is tags, -tags and ~tags (either of several), with order:score, rating:g, score:>=50,
    id:, width:, height:, mpixels:, date:2024-01-01..2024-06-30, filetype:png and md5:. It is the
    same for every site; what a site cannot filter is filtered here, and the run says which was
    which. Each name is looked up first: where something else may be meant, the run asks on a
    terminal, and takes the exact name with a warning elsewhere.

    Without a rating only the safest pictures come. From several sites the same picture comes
    once, the largest file of it, with the tags of all. The same grab again fetches only what is
    new. `dsk sites` lists the sites, `dsk auth` keeps keys, which go to their site alone.
    """

    query: str = opt(
        ..., "what to look for, such as 'hatsune_miku order:score -comic'", argument=True
    )
    site: tuple[str, ...] = opt(("danbooru",), "where to look, one or several (see dsk sites)")
    limit: int = opt(100, "pictures at most from each site, those at hand counted; 0: all", ge=0)
    rating: str = opt("", "ratings to take, such as general,sensitive; '' for the safest alone")
    min_size: int = opt(0, "pixels that the shorter side has at least", ge=0)
    min_score: int | None = opt(None, "score that a post has at least")
    max_ratio: float = opt(0.0, "longer to shorter side at most, such as 3; 0 for any", ge=0)
    per_artist: int = opt(0, "pictures of one artist at most; 0 for any number", ge=0)
    exclude: tuple[str, ...] = opt((), "leave out posts with these tags, or globs (*_cosplay)")
    file: str = opt("original", "which file to fetch: original, large or sample")
    frames: str = opt("", FRAMES)
    name: str = opt(DEFAULT, "names of the files: {site}, {id}, {position}, {md5}, {artist} …")
    newer: bool = opt(False, "only what was posted since this query was grabbed last")
    exact: bool = opt(False, "take names as they stand, without asking or warning")
    url: str = opt(
        "", "another server that speaks as this site does, such as http://127.0.0.1:3000"
    )

    def check(self) -> None:
        """Raise UsageError or SafetyError for what the query, a site or the keys lack."""
        check_template(self.name)
        for pattern in self.exclude:
            check_text("exclude", pattern)
        if 0 < self.max_ratio < 1:
            raise UsageError(
                f"max_ratio {self.max_ratio:g} is below 1, and no longer side is shorter than the "
                "other; say 1.5, or 0 for any"
            )
        if self.file not in FILES:
            raise UsageError(f"there is no file {self.file!r}; it is one of {', '.join(FILES)}")
        frames_meant(self.frames)
        for site, query, letters in self._understood():
            credentials_for(site)
            family_of(site).plan(query, letters, site, {})

    def plan(self) -> str:
        """Say what will be sent, what is filtered here, and how many pictures may come."""
        lines = []
        for site, query, letters in self._understood():
            limit = self._limit(query)
            many = f"up to {limit} pictures" if limit else "all pictures"
            plan = family_of(site).plan(query, letters, site, {})
            lines.append(f"{many}{_ratings(letters)} from {site.name}, asked for {plan}")
        return "; ".join(lines)

    def expected(self) -> int | None:
        """The limit of all sites together, if there is one."""
        understood = self._understood()
        return self._limit(understood[0][1]) * len(understood) or None

    def at_once(self) -> int:
        """How many files may be fetched side by side."""
        return min(site.at_once for site, _, _ in self._understood())

    def several(self) -> bool:
        """Say whether it asks more than one site."""
        return len(self.site) > 1

    def settled(self, choose: Choose) -> "Grab":
        """Ask a person which tag is meant where a name is in doubt; the query then says it."""
        if self.exact:
            return self
        site, query, _ = self._understood()[0]
        session = open_session(site, credentials_for(site), lambda text: None)
        wanted = dict.fromkeys((*query.terms, *query.either))
        found = meanings(family_of(site), asking(session), site, wanted)
        session.close()
        names = {term: _chosen(meaning, choose) for term, meaning in found.items()}
        words = []
        for word in self.query.split():
            mark = "~" if word.startswith("~") else ""
            words.append(mark + names.get(word[len(mark) :].lower(), word[len(mark) :]))
        return replace(self, query=" ".join(words))

    def find(self, known: Known) -> Iterator[Find | Drop | Note]:
        """Offer the pictures, site after site, each looked at again before it is offered."""
        artists = Artists(self.per_artist, known.records if self.per_artist else ())
        taken: deque[str] = deque(maxlen=4 * AT_ONCE_MOST)
        understood = self._understood()
        if self.newer and parse(self.query).order:
            yield Note("the query's order is not used with --newer: the oldest of what is newer "
                       "comes first")  # fmt: skip
        idle, scanned = set(self.exclude), 0
        for site, query, letters in understood:
            said: deque[str] = deque()
            own = credentials_for(site)
            session = open_session(site, own, said.append)
            try:
                search = Search(
                    site=replace(site, terms=family_of(site).terms(asking(session), site, own)),
                    query=query,
                    letters=letters,
                    session=session,
                    said=said,
                    wishes=Wishes(
                        self.min_size,
                        self.min_score,
                        self.max_ratio,
                        self.exclude,
                        bool(self.frames),
                    ),
                    artists=artists,
                    limit=self._limit(query),
                    file=self.file,
                    frames=frames_meant(self.frames),
                    template=self.name,
                    newer=self.newer,
                    exact=self.exact,
                    alone=len(understood) == 1,
                    taken=taken,
                    idle=idle,
                )
                yield from search.find(known)
                scanned += search.scanned
            except SiteError as error:
                if len(understood) == 1:
                    raise
                yield Note(f"{site.name} is left out: {error}", warning=True)
                yield Drop(f"{site.name} did not serve", error=True)
            finally:
                session.close()
        for pattern in self.exclude if scanned else ():
            if pattern in idle:
                yield Note(f"--exclude {pattern} matched nothing")

    def _understood(self) -> list[tuple[Site, Query, str]]:
        if not self.site:
            raise UsageError(f"no site is named; there are {', '.join(all_sites())}")
        if self.url and len(self.site) > 1:
            raise UsageError("--url is the address of one site; several are named")
        query = parse(self.query)
        if query.ratings and self.rating:
            raise UsageError("the rating is said twice: in the query and by the option")
        if self.newer:
            query = replace(query, order="")
        if self.min_score is not None:
            query = query.bounded("score", self.min_score)
        understood = []
        named = (site_named(name, self.url) for name in self.site)
        for site in {site.name: site for site in named}.values():
            letters = site.letters(query.ratings or self.rating)
            check_query([*query.terms, *query.either, f"rating:{','.join(letters)}"])
            orders = family_of(site).orders
            if query.order not in orders:
                near = did_you_mean(query.order, [order for order in orders if order])
                raise UsageError(f"{site.name} has no order {query.order!r}; {near}")
            understood.append((site, query, letters))
        return understood

    def _limit(self, query: Query) -> int:
        return self.limit if query.limit is None else query.limit


def _ratings(letters: str) -> str:
    return " of rating " + ", ".join(RATINGS[letter] for letter in letters) if letters else ""


def _chosen(meaning: Meaning, choose: Choose) -> str:
    """Ask which of several tags a term means, if there is a doubt."""
    if not meaning.others:
        return meaning.term
    first = [meaning.tag] if meaning.tag is not None and meaning.known else []
    offered = sorted([*first, *meaning.others], key=lambda tag: -(tag.count or 0))
    question = f"{meaning.term} is not clear: {meaning}. Which one is meant?"
    return offered[choose(question, [described(tag) for tag in offered])].name
