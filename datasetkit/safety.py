"""What is never taken, trained on or painted: a few rules, the same for everyone, always on.

    rule 1  a word of the first list, on anything, at any rating
    rule 2  an age word where the rating is not general (an unknown rating is not general)
    rule 3  an age word together with a sexual act, nudity or a sexual pose, at any rating
    rule 4  the same for prompts, captions and trigger words
    rule 5  a host devoted to such pictures

There is no option, setting or variable that turns them off. Words are compared as whole tokens
(``lollipop`` is no ``loli``) after a name was brought to one form, so spelling, escapes and the
sites' aliases make no difference. A refusal names the rule, never the words or the post.
"""

import html
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote

from datasetkit.errors import SafetyError

_NEVER, _AGE, _HINT, _SEXUAL = 1, 2, 4, 8  # what a name says, as bits

_REASONS = {
    "safety rule 1": "a word that is never let through",
    "safety rule 2": "an age word where the rating is not general",
    "safety rule 3": "an age word together with a sexual one",
    "safety rule 5": "a host devoted to pictures that are never let through",
}

# Each entry is a token, or tokens in a row. The sites' aliases stand beside what they mean.
_NEVER_WORDS = """
    loli lolis lolicon lolicons lolidom lolibait rori roricon shota shotas shotacon shotacons
    shotadom toddlercon toddlersex cunny foalcon fillycon cubcon babycon ロリ ロリコン ショタ
    ショタコン 幼女
"""
_AGE_WORDS = """
    child children childs kid kids toddler toddlers baby babies infant infants newborn newborns
    young cub cubs foal foals filly fillies colt colts underage under_age teen teens teenage
    teenaged teenager teenagers preteen preteens pre_teen pre_teens tween tweens aged_down de_aged
    deaged age_regression little_girl little_girls little_boy little_boys kindergarten
    kindergartner kindergartener preschool preschooler elementary_school elementary_schooler
    elementary_student primary_school grade_schooler middle_school middle_schooler junior_high
    schoolchild schoolchildren mesugaki
"""
# These are words of age only when nothing stands beside them ("minor details" are no minors).
_AGE_NAMES = frozenset({"minor", "minors", "younger"})
# Not age words, but no company for anything that is known not to be safe.
_HINT_NAMES = frozenset({"young_link"})
_HINT_WORDS = "younger"
# What looks like an age word and says something else.
_FRIENDS = """
    young_adult young_adults young_justice young_horses baby_carriage child_drawing kid_icarus
    teen_titans teenage_mutant_ninja_turtles
"""
_SEXUAL_WORDS = """
    sex sexual sexually nude nudes nudity nudist naked topless bottomless undressing nipple nipples
    areola areolae areolas penis penises pussy vagina vaginal vulva clitoris labia genitals genital
    genitalia testicles scrotum anus anal cum cumshot cumming semen ejaculation ejaculating orgasm
    ahegao fellatio blowjob handjob footjob thighjob titjob paizuri cunnilingus irrumatio
    deepthroat masturbation masturbating fingering fisting frottage intercourse penetration
    penetrated penetrating rape raped raping rapist molestation molested molesting groping groped
    bdsm bondage bukkake gangbang threesome orgy creampie impregnation rimming rimjob analingus
    missionary doggystyle doggy_style mating_press cowgirl_position amazon_position cameltoe
    upskirt pantyshot erection dildo vibrator buttplug butt_plug sybian porn porno pornographic
    pornography hentai ecchi nsfw erotic erotica lewd aroused in_heat spread_legs spread_pussy
    spread_ass spread_anus presenting_ass presenting_pussy presenting_breasts
    presenting_hindquarters top_down_bottom_up ass_focus
    crotch_focus ass_grab breast_grab breast_sucking bare_breasts breasts_out no_panties
    no_underwear panty_pull panties_aside clothing_aside crotchless pasties censored uncensored
    mosaic_censoring bar_censor convenient_censoring prostitution stripping striptease fucked
    fucking
"""
_SEXUAL_NAMES = frozenset({"69", "69_position", "presenting", "tribadism"})
# Behind an age word, these too make a name of rule 1 (young_<act>).
_ROLES = """
    focus dom domination dominating dominant sub submissive submission fucker fucked knotted
    knotting breeding bred pregnant slave
"""
_PAIRED = "young|cub|cubs|child|children|kid|toddler|baby|minor|underage|teen|teenager|foal|filly"
_OLDER = "adult|adults|older|mature|elder"
_PAIR = re.compile(
    rf"_on_(?:young|cub)_|^_(?:young|cub)_on_"
    rf"|_(?:{_PAIRED}|{_OLDER})_(?:on|x)_(?:{_PAIRED})_|_(?:{_PAIRED})_(?:on|x)_(?:{_OLDER})_"
)
_NUMBER = (
    "(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen"
    "|sixteen|seventeen|[1-9]|1[0-7])"
)
_YEARS_OLD = re.compile(rf"_{_NUMBER}_?(?:years?_old|yo|y_o|yr_old|yrs_old)_")
_QUALIFIER = re.compile(r"(?<=.)_\([^()]*\)$")
_LEET = str.maketrans("013457@$", "oieastas")
_UNSEEN = re.compile(
    "[\u0300-\u036f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
_BETWEEN = re.compile(r"[^\w'+@$]|_")

_SAFE_PROMPT = frozenset({"safe", "sfw", "general", "rating_safe", "rating_general", "rating_g"})
_UNSAFE_PROMPT = re.compile(
    r"_(?:nsfw|explicit|questionable|sensitive|suggestive|unsafe|r_?18|rating_[sqe]|18\+)_"
)
_HOSTS = ("lolibooru", "atfbooru", "allthefallen", "shotabooru", "lolicon", "shotacon")


def _alternatives(words: str) -> re.Pattern[str]:
    """Match any of these tokens, or rows of tokens, in ``_a_b_c_``."""
    return re.compile("_(?:" + "|".join(map(re.escape, words.split())) + ")(?=_)")


_NEVER_RE, _AGE_RE, _FRIENDS_RE = map(_alternatives, (_NEVER_WORDS, _AGE_WORDS, _FRIENDS))
_SEXUAL_RE, _ROLES_RE, _HINT_RE = map(_alternatives, (_SEXUAL_WORDS, _ROLES, _HINT_WORDS))


def normalise(name: str) -> str:
    """Bring a tag to the form in which the rules compare it.

    HTML entities are unescaped once, the text is NFKC and lower case, blanks and hyphens are
    single underscores, and a closing ``_(qualifier)`` is dropped.
    """
    return _QUALIFIER.sub("", _one_form(name))


def refusal(names: Iterable[str], rating: str) -> str | None:
    """Say which rule refuses a picture with these tags ("safety rule 1" ...), or None if none does.

    ``rating`` is the portable letter g, s, q or e; anything else, also "", counts as unknown.
    """
    signs = 0
    for name in names:
        signs |= _signs(name)
    if signs & _NEVER:
        return "safety rule 1"
    if signs & (_AGE | _HINT) and signs & _SEXUAL:
        return "safety rule 3"
    if signs & _AGE and rating != "g":
        return "safety rule 2"
    if signs & _HINT and rating in {"s", "q", "e"}:
        return "safety rule 2"
    return None


def check_query(terms: Iterable[str]) -> None:
    """Raise SafetyError for a query that asks for what is never taken; ``-loli`` is fine.

    A query that says nothing of ratings will be sent with the safest one; what it finds is
    checked again, post by post.
    """
    wanted: list[str] = []
    rating = "g"
    for term in terms:
        key, colon, value = term.lower().partition(":")
        if colon and key.lstrip("-~") == "rating":
            letters = {word[:1] for word in value.split(",") if word not in {"safe", "general"}}
            if key.startswith("-") or letters - {"g"}:  # -rating:g asks for all the others
                rating = "e"
        elif not term.startswith("-"):
            plain = re.sub(r"[*?~]", "_", term)
            wanted += [plain, plain.partition(":")[2]]  # gen:name asks for the name
    _raise(refusal(wanted, rating), "this query")


def check_prompt(text: str) -> None:
    """Raise SafetyError for a prompt, caption or trigger word that the rules do not let through.

    Takes comma lists and prose, with weights, escapes and LoRA marks. A text has the rating that
    it states ("safe", "general", "nsfw", "explicit" ...); stating none, it counts as unknown, so
    that an age word needs "safe" or "general" beside it. Negative prompts need no check.
    """
    phrases = re.split(r"[,;|\n()\[\]{}<>]+", text.replace("\\", ""))
    names = ["_".join(_words(re.sub(r":\s*[\d.]+\s*$", "", phrase))) for phrase in phrases]
    rating = "g" if _SAFE_PROMPT.intersection(names) else ""
    if any(_UNSAFE_PROMPT.search(f"_{name}_") for name in names):
        rating = "e"
    _raise(refusal(names, rating), "this text")


def check_host(url: str) -> None:
    """Raise SafetyError for the address (or name) of a site that is never asked for anything."""
    address = unicodedata.normalize("NFKC", unquote(url)).lower().strip()
    host = re.split(r"[/?#]", address.partition("://")[2] or address)[0]
    labels = "_" + re.sub(r"[^\w]+", "_", host) + "_"
    if any(name in host for name in _HOSTS) or _NEVER_RE.search(labels):
        _raise("safety rule 5", "this site")


def _raise(rule: str | None, what: str) -> None:
    if rule:
        raise SafetyError(f"{what} is refused by {rule}: {_REASONS[rule]}")


def _one_form(name: str) -> str:
    text = unicodedata.normalize("NFKC", html.unescape(name)).lower()
    return re.sub(r"[\s_\-\u2010-\u2015]+", "_", text).strip("_")


def _words(name: str) -> list[str]:
    """Split a name into its tokens, without accents, unseen characters and punctuation."""
    apart = unicodedata.normalize("NFKD", _one_form(name).replace("/", "_x_"))  # e621's a/b
    plain = _UNSEEN.sub("", apart)
    together = unicodedata.normalize("NFC", plain)  # kana are themselves only with their marks
    return [word for token in _BETWEEN.split(together) if (word := token.strip("'"))]


@lru_cache(maxsize=1 << 17)  # a site has some 100,000 tags in use; each is looked at once
def _signs(name: str) -> int:
    """Say what a name, or a sentence, holds, as bits."""
    words = _words(name)
    row = "_" + "_".join(words) + "_"
    leet = "_" + "_".join(word.translate(_LEET) for word in words) + "_"
    if any(_NEVER_RE.search(text) for text in (row, leet)) or _PAIR.search(row):
        return _NEVER
    bare = "_".join(_words(normalise(name)))
    row = _FRIENDS_RE.sub("", row)
    sexual = _SEXUAL if _SEXUAL_RE.search(row) or bare in _SEXUAL_NAMES else 0
    if bare in _HINT_NAMES:
        return _HINT | sexual
    if _AGE_RE.search(row) or _YEARS_OLD.search(row) or bare in _AGE_NAMES:
        of_an_act = len(words) <= 3 and (sexual or _ROLES_RE.search(row))  # young_<act>
        return _NEVER if of_an_act and _AGE_RE.match(row) else _AGE | sexual
    return (_HINT if _HINT_RE.search(row) else 0) | sexual
