"""A search listed to its end: page after page, each post once, past the sites' own ends."""

from collections.abc import Iterator

from datasetkit.grabbers.family import Ask, Family, Place
from datasetkit.grabbers.posts import Post, TooDeep, Unfinished
from datasetkit.grabbers.query import Plan
from datasetkit.grabbers.site import Site
from datasetkit.stage import Note


def listed(family: Family, ask: Ask, site: Site, plan: Plan, size: int) -> Iterator[Post | Note]:
    """List a search, each post once; where numbered pages end, an id or a score carries on.

    An id only marks a place where posts come newest first, a score where they come by it: a
    listing in another order ends with a warning where the site ends it. Raises SiteError.
    """
    by_id = family.by_id and plan.newest_first
    place = Place()
    last: Post | None = None
    seen: set[int] = set()
    stale = since = 0
    typed = family.kinds(ask, site)
    while True:
        try:
            if _beyond(place, site, size):
                raise TooDeep(f"{site.name} lists no more posts in this order")
            page = family.read(ask(family.request(plan, site, place, size)), site)
        except Unfinished as error:
            onward = _onward(plan, last, place)
            if onward is not None:
                place, since = onward, 0
                continue
            if not isinstance(error, TooDeep):
                raise
            yield Note(f"{error}; narrow the query to reach the rest", warning=True)
            return
        by_number = {int(post.id): post for post in page.posts}
        fresh = [post for number, post in by_number.items() if number not in seen]
        # Begun anew at a score, the first pages may hold what came before of that score.
        stale = 0 if fresh else stale + 1
        if not page.posts or (stale and (place.below is None or stale * size > len(seen))):
            if page.posts and by_id:
                text = f"{site.name} lists the same posts again; what is older is not reached"
                yield Note(text, warning=True)
            return
        seen.update(by_number)
        since += len(by_number)
        yield from typed(fresh)
        posts = page.posts
        last = min(posts, key=lambda post: int(post.id)) if plan.newest_first else posts[-1]
        number = place.number + 1
        if by_id:
            place = Place(before=int(last.id))
        elif page.total is not None and since >= page.total and len(posts) < size:
            return  # servers have caps of their own, and totals that are wrong
        else:
            place = Place(number, place.before, place.below)


def _beyond(place: Place, site: Site, size: int) -> bool:
    """Say whether a site is known to refuse a page."""
    return bool(
        (site.pages and place.number >= site.pages)
        or (site.depth and place.number * size > site.depth)
    )


def _onward(plan: Plan, last: Post | None, place: Place) -> Place | None:
    """Where to go on from a listing's end; None where there is no way, or none further."""
    if last is None:
        return None
    if plan.newest_first and int(last.id) != place.before:
        return Place(before=int(last.id))
    score = last.origin.score
    if plan.by_score and score is not None and score != place.below:
        return Place(below=score)
    return None
