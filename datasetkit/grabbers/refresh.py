"""The ``refresh`` source: what sites say today of pictures that are here, without fetching them."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from datasetkit.errors import SiteError, UsageError
from datasetkit.grabbers.credentials import credentials_for
from datasetkit.grabbers.families import family_of
from datasetkit.grabbers.posts import Post
from datasetkit.grabbers.search import asking, open_session
from datasetkit.grabbers.site import Site
from datasetkit.grabbers.sites import site_named
from datasetkit.record import Origin, Record, Tag, strictest
from datasetkit.stage import Drop, Known, Note, Source, Update, opt


@dataclass(frozen=True)
class Refresh(Source):
    """Bring tags, ratings and scores up to date with the sites, without fetching pictures.

    A tag that its site has added since is added, one that it took away goes, and nothing else
    changes: what you or another stage removed stays removed, what you typed stays. Posts that
    were deleted there are named; their pictures stay.
    """

    site: tuple[str, ...] = opt((), "only pictures of these sites; without it, of all")
    url: str = opt("", "the address of a server that speaks as the one site does")

    def check(self) -> None:
        """Raise UsageError for a site that is unknown, or whose keys are incomplete."""
        if self.url and len(self.site) != 1:
            raise UsageError("--url is the address of one site; name that with --site")
        for name in self.site:
            credentials_for(site_named(name, self.url))

    def find(self, known: Known) -> Iterator[Update | Drop | Note]:
        """Ask each site for its posts by their numbers, many at once where it can."""
        wanted = {site_named(name, self.url).name for name in self.site}
        posts: dict[str, list[tuple[str, str]]] = {}  # by site: the post's number, and its key
        for record in known.records:
            for origin in (record.origin, *record.also):
                if origin.site and origin.post and (not wanted or origin.site in wanted):
                    number = origin.post.partition("#")[0]  # a frame of it
                    posts.setdefault(origin.site, []).append((number, record.key))
        for name, pairs in posts.items():
            try:
                site = site_named(name, self.url)
            except UsageError:
                yield Note(f"{len(pairs)} of {name}: no site that is known; left as they are")
                continue
            try:
                yield from self._of_site(site, pairs, known)
            except SiteError as error:
                yield Note(f"{name} is left out: {error}", warning=True)
                yield Drop(f"{name} did not serve", error=True)
        if not posts:
            yield Note("no picture here is of a site that could be asked")

    def _of_site(
        self, site: Site, pairs: Sequence[tuple[str, str]], known: Known
    ) -> Iterator[Update | Drop | Note]:
        said: deque[str] = deque()
        session = open_session(site, credentials_for(site), said.append)
        family, ask = family_of(site), asking(session)
        typed = family.kinds(ask, site)
        gone = 0
        for start in range(0, len(pairs), family.batch):
            some = pairs[start : start + family.batch]
            numbers = list(dict.fromkeys(number for number, _ in some))
            page = family.read(ask(family.these(numbers, site)), site)
            by_number = {post.id: post for post in typed(list(page.posts))}
            while said:
                yield Note(said.popleft())
            for number, key in some:
                post = by_number.get(number)
                gone += post is None or bool(post.gone)
                if post is None:
                    yield Drop("not on its site any more")
                else:
                    yield Update(key, partial(refreshed, post=post, site=site))
        session.close()
        if gone:
            what = "post is" if gone == 1 else "posts are"
            yield Note(f"{gone} {what} gone from {site.name}, or withheld; the pictures stay")


def refreshed(record: Record, post: Post, site: Site) -> Record:
    """The record with what a site says of it now; only what the site itself changed changes."""
    said = [origin for origin in (record.origin, *record.also) if _is_of(origin, post, site)]
    names = {tag.name for tag in post.tags}
    before = set(said[0].tags.split()) if said else names
    new = names - before
    by_site = {tag.name: tag for tag in post.tags}
    tags = [_without(tag, site) if tag.name in before - names else tag for tag in record.tags]
    tags = [_with(tag, by_site[tag.name]) if tag.name in new else tag for tag in tags if tag.by]
    standing = {tag.name for tag in tags}
    tags += [tag for tag in post.tags if tag.name in new and tag.name not in standing]
    listed = " ".join(tag.name for tag in post.tags)

    def now(origin: Origin) -> Origin:
        if not _is_of(origin, post, site):
            return origin
        fresh = post.origin
        return replace(origin, tags=listed, rating=fresh.rating, score=fresh.score)

    also = tuple(map(now, record.also))
    origin = now(record.origin)
    rating = strictest(place.rating for place in (origin, *also))
    return replace(record, origin=replace(origin, rating=rating), also=also).with_tags(tags)


def _is_of(origin: Origin, post: Post, site: Site) -> bool:
    return origin.site == site.name and origin.post.partition("#")[0] == post.id


def _without(tag: Tag, site: Site) -> Tag:
    return replace(tag, by=tuple(who for who in tag.by if who != site.name))


def _with(tag: Tag, told: Tag) -> Tag:
    return replace(tag, by=tuple(dict.fromkeys((*tag.by, *told.by))))
