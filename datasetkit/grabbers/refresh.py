"""The ``refresh`` source: what sites say today of pictures that are here, without fetching them."""

from collections import deque
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlsplit

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
        wanted = {site.name: site for site in (site_named(name, self.url) for name in self.site)}
        posts: dict[str, list[tuple[str, Origin, str]]] = {}  # by site: number, place, key
        for record in known.records:
            for origin in (record.origin, *record.also):
                if origin.site and origin.post and (not wanted or origin.site in wanted):
                    number = origin.post.partition("#")[0]  # a frame of it
                    posts.setdefault(origin.site, []).append((number, origin, record.key))
        for name, pairs in posts.items():
            try:
                site = wanted.get(name) or site_named(name)
            except UsageError:
                yield Note(f"{len(pairs)} of {name}: no site that is known; left as they are")
                continue
            if not self.url:  # a number means another picture on another server
                here = [row for row in pairs if _of_server(row[1], site)]
                if elsewhere := len(pairs) - len(here):
                    what = "picture is" if elsewhere == 1 else "pictures are"
                    yield Note(f"{elsewhere} {what} of another server than {site.name}, which is "
                               f"not asked; --site {name} --url says where it is")  # fmt: skip
                if not here:
                    continue
                pairs = here
            try:
                yield from self._of_site(site, pairs, known)
            except SiteError as error:
                yield Note(f"{name} is left out: {error}", warning=True)
                yield Drop(f"{name} did not serve", error=True)
        if not posts:
            yield Note("no picture here is of a site that could be asked")

    def _of_site(
        self, site: Site, pairs: Sequence[tuple[str, Origin, str]], known: Known
    ) -> Iterator[Update | Drop | Note]:
        said: deque[str] = deque()
        session = open_session(site, credentials_for(site), said.append)
        family, ask = family_of(site), asking(session)
        typed = family.kinds(ask, site)
        gone: set[str] = set()
        another: set[str] = set()
        batch = min(family.batch, site.page)
        for start in range(0, len(pairs), batch):
            some = pairs[start : start + batch]
            numbers = list(dict.fromkeys(number for number, _, _ in some))
            page = family.read(ask(family.these(numbers, site)), site)
            by_number = {post.id: post for post in typed(list(page.posts))}
            while said:
                yield Note(said.popleft())
            another.update(n for n, place, _ in some if _another(place, by_number.get(n)))
            for number, _, key in some:
                post = by_number.get(number)
                if number in another:
                    continue
                if post is None or post.gone:
                    gone.add(number)
                if post is None:
                    yield Drop("not on its site any more")
                else:
                    yield Update(key, partial(refreshed, post=post, site=site))
        session.close()
        if another:
            what, left = ("post has", "it is left as it is")
            if len(another) > 1:
                what, left = ("posts have", "they are left as they are")
            yield Note(f"{len(another)} {what} another file on {site.name} now; {left}")
        if gone:
            what = "post is" if len(gone) == 1 else "posts are"
            yield Note(f"{len(gone)} {what} gone from {site.name}, or withheld; the pictures stay")


def refreshed(record: Record, post: Post, site: Site) -> Record:
    """The record with what a site says of it now; only what the site itself changed changes."""
    said = [origin for origin in (record.origin, *record.also) if _is_of(origin, post, site)]
    names = {tag.name for tag in post.tags}
    before = set(said[0].tags.split()) if said else names
    new = names - before
    by_site = {tag.name: tag for tag in post.tags}
    tags = [_without(tag, site) if tag.name in before - names else tag for tag in record.tags]
    tags = [_with(tag, by_site[tag.name]) if tag.name in new else tag for tag in tags if tag.by]
    sites = {place.site for place in (record.origin, *record.also)}
    tags = [_of_kind(tag, by_site.get(tag.name), site, sites) for tag in tags]
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


def _of_server(origin: Origin, site: Site) -> bool:
    """Say whether a picture came from this very server, as far as its address tells."""
    host = _host(origin.url)
    return not host or host in {_host(site.url), _host(site.api_url)}


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower().removeprefix("www.")
    except ValueError:
        return ""


def _another(place: Origin, post: Post | None) -> bool:
    """Say whether a post's file is known to be another one than that which came."""
    return bool(post and place.md5 and post.origin.md5 and place.md5 != post.origin.md5)


def _of_kind(tag: Tag, told: Tag | None, site: Site, sites: Set[str]) -> Tag:
    """A tag of the kind that its site tells now; of several sites, the first that said it."""
    first = next((who for who in tag.by if who in sites), "")
    if told is None or tag.kind == "trigger" or told.kind == "general" or first != site.name:
        return tag
    return replace(tag, kind=told.kind)


def _without(tag: Tag, site: Site) -> Tag:
    return replace(tag, by=tuple(who for who in tag.by if who != site.name))


def _with(tag: Tag, told: Tag) -> Tag:
    return replace(tag, by=tuple(dict.fromkeys((*tag.by, *told.by))))
