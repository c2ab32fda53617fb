"""``dsk sites`` and ``dsk auth``: which sites there are, and whether their keys are set."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from datasetkit.errors import Interrupted, SiteError, UsageError

if TYPE_CHECKING:
    from datasetkit.grabbers.credentials import Account

MAX_STDIN = 1 << 16

Json = Annotated[bool, typer.Option("--json", help="one object a line on stdout, for programs")]
SiteName = Annotated[str, typer.Argument(metavar="SITE", help="a site's name (see dsk sites)")]

auth = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Keep keys of sites, and see which are set and work.",
)


def sites(
    name: Annotated[
        str | None, typer.Argument(metavar="SITE", help="tell all of this site")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the sites that can be grabbed from, the user's own among them."""
    from datasetkit.grabbers.credentials import account_for
    from datasetkit.grabbers.sites import all_sites, known_site
    from datasetkit.sites_shown import facts_of, show_all, show_one, write_lines

    chosen = [known_site(name)] if name else list(all_sites().values())
    accounts = [account_for(site) for site in chosen]
    if as_json:
        write_lines(facts_of(account) for account in accounts)
    elif name:
        show_one(accounts[0])
    else:
        show_all(accounts)


@auth.command("set", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def set_key(context: typer.Context, site: SiteName) -> None:
    """Ask for a site's login and key, and keep them.

    They are kept in keys.yaml in the folder of your settings, for you alone to read. The key is
    never a word of the command line, where others could see it. Where stdin is no terminal, a
    line is read for each: login (or user id), then the key.
    """
    from datasetkit.grabbers.credentials import (
        ENVIRONMENT,
        WORDS,
        account_for,
        kept_keys,
        names_in_keys,
        way_back,
        where_got,
    )
    from datasetkit.grabbers.sites import known_site
    from datasetkit.settings import fault, write_keys
    from datasetkit.sites_shown import own_server

    if context.args:  # perhaps a key: what click says of it would repeat it
        raise UsageError(
            "dsk auth set takes a site's name and nothing else; a key that stood behind it is in "
            "the shell's history now, so make another"
        )
    row = known_site(site)
    if not row.url:
        raise UsageError(f"{row.name} has no host of its own: {own_server()}")
    account = account_for(row)
    if not row.key_help or not account.wants:
        back = f"; {way_back(account)}" if account.sources else ""
        raise UsageError(f"{row.name} asks for no key; there is nothing to set{back}")
    keys = kept_keys()
    _say(f"{row.name}: {where_got(row)}")
    given = _asked(account) if sys.stdin.isatty() else _piped(account)
    for what, value in given.items():
        if value and (wrong := fault(what.lower(), value)):
            raise UsageError(f"the {WORDS[what]} {wrong}; nothing was changed")
    kept = {name: entry for name, entry in keys.items() if name not in names_in_keys(row)}
    kept[row.name] = {what.lower(): value for what, value in given.items() if value}
    path = write_keys(kept)
    _say(f"kept in {path}; try it with dsk auth check {row.name}")
    first = [row.variable(what) for what, where in account.sources.items()
             if where == ENVIRONMENT]  # fmt: skip
    if first:
        _say(f"{' and '.join(first)} of the environment still come first")


@auth.command("remove")
def remove_key(site: SiteName) -> None:
    """Take a site's login and key out of keys.yaml."""
    from datasetkit.grabbers.credentials import kept_keys, names_in_keys
    from datasetkit.grabbers.sites import known_site
    from datasetkit.settings import keys_file, write_keys

    keys = kept_keys()
    name = site.strip().lower()
    try:
        row = known_site(site)
        names = {name, *names_in_keys(row)}
        name = row.name
    except UsageError:  # a site of the user's that is no more
        if name not in keys:
            raise
        names = {name}
    kept = {other: entry for other, entry in keys.items() if other not in names}
    if kept == keys:
        _say(f"{keys_file()} holds no key of {name}")
    else:
        _say(f"the key of {name} is removed from {write_keys(kept)}")


@auth.command()
def check(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="SITE", help="sites to ask; none: all")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="ask no site")] = False,
    as_json: Json = False,
) -> None:
    """Say which keys are set; sites that are named are asked.

    Without names no site is asked. A site that is named is asked once, for one post, whether it
    takes the key. Exit code 1 where a named site lacks its key or refuses it, an account is half
    set, or a key is kept for a site that does not exist.
    """
    from datasetkit.grabbers.credentials import account_for, strangers
    from datasetkit.grabbers.sites import all_sites, site_named
    from datasetkit.sites_shown import show_standing, standing_of, write_lines

    rows = [site_named(name) for name in names or ()] or list(all_sites().values())
    accounts = list({row.name: account_for(row) for row in rows}.values())
    said: dict[str, tuple[bool, str]] = {}
    for account in accounts:
        if names and not offline and not account.wrong:
            said[account.site.name] = _verdict(account)
    if as_json:
        write_lines(standing_of(account, said.get(account.site.name)) for account in accounts)
    else:
        show_standing(accounts, said, brief=not names)
    lost = [text for row in rows for text in strangers(row)] if names else strangers()
    for text in dict.fromkeys(lost):
        _say(text)
    half = [account for account in accounts if account.wrong and (names or account.sources)]
    if half or lost or not all(works for works, _ in said.values()):
        raise typer.Exit(1)


def _verdict(account: "Account") -> tuple[bool, str]:
    from datasetkit.grabbers.accounts import refused, verdict

    try:
        return True, verdict(account, _say)
    except KeyboardInterrupt as error:
        raise Interrupted("interrupted") from error
    except SiteError as error:
        return False, refused(account, str(error))


def _asked(account: "Account") -> dict[str, str]:
    """Ask a person at a terminal, the key without echo, until all that is needed is said."""
    from datasetkit.grabbers.credentials import WORDS

    given: dict[str, str] = {}
    try:
        for what in account.wants:
            text = WORDS[what]
            if what in given:
                continue
            if what not in account.needs:
                given[what] = typer.prompt(f"{text} (a number; empty for none)", default="",
                                           show_default=False, err=True).strip()  # fmt: skip
            else:
                hidden = what == "API_KEY"
                text += " (it is not shown)" * hidden
                while not (said := typer.prompt(text, default="", show_default=False,
                                                hide_input=hidden, err=True).strip()):  # fmt: skip
                    _say(f"that was empty, and the {WORDS[what]} is needed; Ctrl-C gives up")
                given |= _pasted(account, said) or {what: said}
    except typer.Abort as error:
        raise Interrupted("interrupted; nothing was changed") from error
    return given


def _piped(account: "Account") -> dict[str, str]:
    """Read a line for each from stdin; what need not be there may be left out."""
    from datasetkit.grabbers.credentials import WORDS

    lines = [line.strip() for line in sys.stdin.read(MAX_STDIN).splitlines()]
    pasted: dict[str, str] = {}
    for line in lines:
        pasted |= _pasted(account, line)
    if all(pasted.get(what) for what in account.needs):
        return pasted
    for whats in (account.needs, account.wants):
        if len(lines) == len(whats):
            given = dict(zip(whats, lines, strict=True)) | pasted
            if all(given[what] for what in account.needs):
                return given
    few, all_ = (", ".join(WORDS[w] for w in whats) for whats in (account.needs, account.wants))
    more = f", or {len(account.wants)}: {all_}" if all_ != few else ""
    raise UsageError(f"stdin must hold {len(account.needs)} lines: {few}{more}")


def _pasted(account: "Account", text: str) -> dict[str, str]:
    """Take ``&api_key=...&user_id=...`` apart, as Gelbooru's page shows it; {} for all else."""
    parts = dict(part.partition("=")[::2] for part in text.strip("?&").split("&"))
    names = {what.lower(): what for what in account.wants}
    if not set(parts) <= set(names) or not all(parts.values()):
        return {}
    return {what: parts[name] for name, what in names.items() if name in parts}


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
