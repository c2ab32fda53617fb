"""Which tags are of a character's own body, of what is always worn, and of clothes.

The lists gather what public tools prune (anime screenshot pipelines, imgutils, cyberharem), in
words of Danbooru; whether a tag really is the character's own tells its share of the pictures.
Matched are whole words at a name's beginning or end, one form for singular and plural.
"""

from functools import lru_cache
from typing import TypeAlias

Words: TypeAlias = tuple[str, ...]

BODY, WORN = "body", "worn"


def _rows(text: str) -> frozenset[Words]:
    return frozenset(tuple(map(_one_form, row.split("_"))) for row in text.split())


def _one_form(word: str) -> str:
    """A word's singular, near enough to compare: eyes -> eye, lashes -> lash."""
    if word == "glasses":  # which a drinking_glass is not
        return word
    if word.endswith(("shes", "ches", "xes", "sses")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


_BODY_ENDS = _rows(
    """
    eyes skin hair hair_bun double_bun bangs sidelocks twintails braid ponytail updo afro ahoge
    dreadlocks side_up bald drill_hair hair_rings hair_intakes short_hair_with_long_locks
    hair_over_one_eye bob_cut hime_cut pixie_cut bowl_cut undercut widow's_peak antenna_hair
    cowlick beard mustache goatee sideburns stubble facial_hair eyebrows eyelashes pupils sclera
    heterochromia freckles fang lips teeth ears ear_fluff horns tail wings halo fins feathers fur
    scales mole breasts chest muscles abs skinny plump curvy tattoo scar birthmark facial_mark
    forehead_mark whisker_markings forehead elf otoko_no_ko bishounen androgynous
    """
)
_BODY_BEGINS = _rows(
    "hair_over hair_between dark-skinned light-skinned mature scar_on mole_under mole_on muscular"
)
_WORN_ENDS = _rows(
    """
    hair_ornament hairband hairclip hairpin hair_bow hair_ribbon hair_flower hair_tie hair_bell
    hair_bobbles hair_tubes scrunchie headband headdress headgear headpiece headphones headwear
    hat cap beret crown tiara circlet helmet mask glasses eyewear sunglasses goggles monocle
    eyepatch earrings ear_piercing choker necklace pendant tassel ribbon bow bell
    prosthesis animal_hood veil bandana eyeliner eyeshadow
    """
)
# What looks like a trait and is a moment: an expression, a state, a deed, somebody else's.
_MOMENTS = frozenset(
    """
    crossed_eyes solid_circle_eyes solid_oval_eyes wide_oval_eyes heart-shaped_eyes v-shaped_eyes
    heart-shaped_pupils star-shaped_pupils constricted_pupils dilated_pupils v-shaped_eyebrows
    bad_hair_day hair_flip hair_down parted_lips clenched_teeth party_hat santa_hat pillow_hat
    ears_down ears_up ear_blush tail_wagging tail_raised treasure_chest weighing_scale
    hat_ribbon hat_bow dress_bow back_bow waist_bow cut_bangs leg_hair arm_hair chest_hair
    wavy_eyes uneven_eyes shiny_skin armpit_hair anal_hair anal_tail
    """.split()
)
_STATES = frozenset(
    """
    closed half-closed open covered visible through averting narrowed crazy sparkling raised
    furrowed rolling wide empty blank hollow teary bloodshot bulging dashed
    wet blown floating drying tying washing braiding
    ruffling bunching hugging pursed puckered severed alternate implied unaligned bursting framed
    bouncing squeezed shared unworn loose torn detached pubic fake no drawing falling liquid
    """.split()
)
_DEEDS = _rows(
    """
    holding hand hands arm arms finger fingers paw object covering adjusting rubbing sitting
    shading playing cutting grabbing touching tying untying brushing combing pulling removing
    licking biting kissing stroking petting spread fixing flipping another's own blood food rice
    cream paint sticker gun looking
    """
)
_WHERE = frozenset("on in to between behind under with over against".split())
_PLACED = _rows("hair_over hair_between mole_under mole_on scar_on scar_across short_hair_with")

_CLOTHES_ENDS = _rows(
    """
    dress skirt shirt blouse sweater cardigan hoodie jacket coat cape cloak vest uniform serafuku
    swimsuit bikini leotard bodysuit kimono yukata hakama robe apron armor pants shorts jeans
    overalls buruma bloomers leggings pantyhose thighhighs kneehighs socks stockings boots shoes
    sneakers sandals heels loafers footwear legwear gloves mittens sleeves necktie bowtie
    neckerchief scarf belt corset garter suit tuxedo gown miko maid nurse cheerleader pajamas
    nightgown camisole tank_top crop_top turtleneck tabard obi sash wristband wrist_cuffs cuffs
    collar neckwear ascot capelet poncho jumpsuit overskirt underskirt t-shirt haori
    """
)
# What dresses a figure whole tells an outfit best, then the large pieces, then the small.
_WHOLE = _rows(
    """
    serafuku uniform dress bikini swimsuit leotard bodysuit kimono yukata hakama armor suit tuxedo
    gown miko maid nurse cheerleader pajamas nightgown robe jumpsuit
    """
)
_LARGE = _rows(
    """
    skirt shirt blouse sweater cardigan hoodie jacket coat cape cloak vest apron pants shorts jeans
    overalls buruma tank_top crop_top turtleneck poncho capelet haori camisole tabard t-shirt
    """
)
_COLOURS = frozenset(
    """
    aqua beige black blue brown gold golden green grey gray orange pink purple red silver tan white
    yellow multicolored two-tone
    """.split()
)
_OFF = frozenset(
    "removed lift lifted pull tug aside slip print unworn torn wet open unbuttoned holding".split()
)


@lru_cache(maxsize=1 << 16)
def trait(name: str) -> str:
    """By which rule a tag is of the character's own: ``body (… hair)``; "" if by none."""
    words = _words(name)
    if name in _MOMENTS or _STATES.intersection(words) or _deed(words):
        return ""
    written = name.split("_")
    if row := _begin(words, _BODY_BEGINS):
        return f"{BODY} ({' '.join(written[: len(row)])} …)"
    for what, ends in ((BODY, _BODY_ENDS), (WORN, _WORN_ENDS)):
        if row := _end(words, ends):
            return f"{what} (… {' '.join(written[-len(row) :])})"
    return ""


@lru_cache(maxsize=1 << 16)
def clothing(name: str) -> bool:
    """Say whether a tag names a garment, or something worn, that is on."""
    words = _words(name)
    if name in _MOMENTS or _OFF.intersection(words) or _deed(words):
        return False
    return bool(_end(words, _CLOTHES_ENDS | _WORN_ENDS))


@lru_cache(maxsize=1 << 16)
def telling(name: str) -> tuple[int, bool]:
    """How little a garment tells of its outfit, to sort by: a dress first, a hair bow last."""
    words = _words(name)
    ranks = (_WHOLE, _LARGE, _CLOTHES_ENDS)
    rank = next((place for place, ends in enumerate(ranks) if _end(words, ends)), len(ranks))
    return rank, not _COLOURS.isdisjoint(words)


def _words(name: str) -> Words:
    """The words of a name; none of one in brackets, which is a thing of another kind."""
    return () if "(" in name else tuple(map(_one_form, name.lower().split("_")))


def _end(words: Words, rows: frozenset[Words]) -> Words:
    """The longest row that a name ends with."""
    return next((words[at:] for at in range(len(words)) if words[at:] in rows), ())


def _begin(words: Words, rows: frozenset[Words]) -> Words:
    """The longest row that a name begins with."""
    sizes = range(len(words), 0, -1)
    return next((words[:size] for size in sizes if words[:size] in rows), ())


def _deed(words: Words) -> bool:
    """Say whether a name tells what is done, or where something lies (``hands_in_hair``)."""
    if _begin(words, _PLACED):
        return False
    return bool(_begin(words, _DEEDS) or _WHERE.intersection(words[1:-1]))
