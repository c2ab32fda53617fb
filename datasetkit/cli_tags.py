"""``dsk tags``: what the sites say of names: aliases and implications, fetched and looked up."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from datasetkit.errors import Interrupted, SiteError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from datasetkit.relations import Relations

tags = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Fetch which tags are aliases and which imply which, and look a tag up.",
)


@tags.command()
def refresh(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="SITE", help="sites to ask [default: danbooru]")
    ] = None,
) -> None:
    """Fetch all aliases and implications of a site, and keep them for dsk clean.

    It takes some hundred requests at the site's pace, two minutes or so for Danbooru. They are
    kept as a JSON file in the folder of your settings; a run that breaks off leaves the older one.
    Exit code 1 where a site did not serve; the others are kept.
    """
    from datasetkit.grabbers.relations import check_site, fetched
    from datasetkit.grabbers.sites import site_named
    from datasetkit.relations import write_relations

    sites = [site_named(name) for name in names or ["danbooru"]]
    for site in sites:
        check_site(site)
    failed = False
    for site in sites:
        try:
            found = fetched(site, _say, _told)
        except SiteError as error:
            failed = True
            _wipe()
            _say(str(error))
            continue
        except KeyboardInterrupt as error:
            _wipe()
            raise Interrupted("interrupted; nothing of this site was changed") from error
        _wipe()
        if not (found.aliases or found.implications):
            failed = True
            _say(f"{site.name} tells none; nothing was changed")
            continue
        file = write_relations(found)
        pairs = sum(map(len, found.implications.values()))
        _say(f"{site.name}: {len(found.aliases):,} aliases, {pairs:,} implications; in {file}")
    if failed:
        raise typer.Exit(1)


@tags.command()
def show(
    name: Annotated[str | None, typer.Argument(metavar="TAG", help="a tag to look up")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="one object a line on stdout, for programs")
    ] = False,
) -> None:
    """Show what is kept of which sites; or of one tag: its true name, what it implies.

    ``built in`` is the small table that dsk clean has of its own. Shown is what dsk clean goes by:
    all the way up, and without what is away or in hand (hat_removed is no hat). The lists hold only
    names that have an alias or an implication; of a name that is not there, the nearest is told.
    """
    from datasetkit.cleaners.tags.rules.implications import IMPLIED
    from datasetkit.cleaners.tags.rules.implied import BUILT_IN, Implications
    from datasetkit.cleaners.tags.rules.patterns import nearest
    from datasetkit.relations import kept_relations
    from datasetkit.tags import from_caption

    kept = kept_relations()
    if name is None:
        _show_kept(kept, as_json)
        return
    tag = from_caption(name)
    if not tag:
        raise UsageError(f"{name!r} is no tag")
    found = [("built in", "", sorted(BUILT_IN(tag)), _names(IMPLIED))]
    for each in kept:
        true = each.aliases.get(tag, "")
        implies = sorted(Implications(each.implications)(true or tag))
        names = _names(each.implications).union(each.aliases, each.aliases.values())
        found.append((each.site, true, implies, names))
    for site, true, implies, names in found:
        if as_json:
            known = tag in names
            _write({"tag": tag, "site": site, "known": known, "alias_of": true, "implies": implies})
        elif tag not in names:
            sys.stdout.write(f"{tag} ({site}): not in the list{nearest(tag, names)}\n")
        else:
            alias = f"alias of {true}; " if true else ""
            sys.stdout.write(f"{tag} ({site}): {alias}implies {', '.join(implies) or 'nothing'}\n")


def _names(implications: "Mapping[str, Iterable[str]]") -> frozenset[str]:
    return frozenset(implications).union(*implications.values())


def _show_kept(kept: "list[Relations]", as_json: bool) -> None:
    from datasetkit.relations import relations_file

    if not (kept or as_json):
        _say("nothing is kept of any site; dsk tags refresh fetches Danbooru's")
    for each in kept:
        aliases, pairs = len(each.aliases), sum(map(len, each.implications.values()))
        file = str(relations_file(each.site))
        line = {"site": each.site, "fetched": each.fetched}
        if as_json:
            _write({**line, "aliases": aliases, "implications": pairs, "file": file})
        else:
            many = f"{aliases:,} aliases, {pairs:,} implications"
            sys.stdout.write(f"{each.site}: {many}, fetched {each.fetched[:10]}; {file}\n")


def _told(what: str, count: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{count:,} {what}")
        sys.stderr.flush()


def _wipe() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")


def _write(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
