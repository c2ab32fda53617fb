"""Tags that say nothing a model should learn: what boorus keep for themselves.

Sources: the kind ``meta`` of Danbooru and its kin; the blacklist of deepghs (alternate costumes
and the like, of which a trainer cannot know what they alternate with); kohya-colab's ten; the
words by which HakuBooru knows meta tags, here as whole tags rather than as substrings ("bad" and
"request" stand inside tags that mean something).

What can be seen in the picture stays, though those lists have it: how it is framed
(feet_out_of_frame), and the faults of its file (lowres, jpeg_artifacts). A model that is not told
of a fault learns it as the character's own, and told of it, it can be asked to leave it out.
"""

from dataclasses import dataclass

from datasetkit.cleaners.tags.rules.patterns import NOTHING, Patterns

# Meta tags by name, for captions that come without kinds (a local folder, a tagger).
META = """
    absurdres incredibly_absurdres highres huge_filesize wide_image tall_image
    resolution_mismatch source_larger md5_mismatch image_sample downscaled
    commentary *_commentary commentary_* check_commentary
    translated partially_translated hard_translated *_translation translation_*
    *_request bad_id bad_*_id bad_link bad_source bad_metadata check_*
    revision duplicate pixel-perfect_duplicate third-party_edit third-party_source
    has_audio video animated animated_gif animated_png looping_animation
    *_(medium) tagme photoshop official_art banned_artist
""".split()

# What compares the picture with others of the same character, and what it was made for.
COMPARED = """
    alternate_costume alternate_breast_size alternate_color alternate_eye_color alternate_form
    alternate_hair_color alternate_hair_length alternate_hairstyle alternate_headwear
    alternate_legwear alternate_pectoral_size alternate_skin_color alternate_universe
    alternate_weapon alternate_wings official_alternate_costume official_alternate_hairstyle
    official_alternate_hair_length adapted_costume contemporary casual cosplay
    age_progression aged_up no_eyewear genderswap genderswap_(mtf) genderswap_(ftm)
    crossdressing parody style_parody virtual_youtuber
""".split()

# Danbooru has these among its meta tags.
SEEN = frozenset({"lowres", "upscaled", "scan", "jpeg_artifacts", "scan_artifacts"})

JUNK = Patterns((*META, *COMPARED))
# An artist may be called check_point, and an outfit casual.
_NAMES = frozenset({"artist", "character", "copyright", "outfit", "quality"})


@dataclass(frozen=True)
class Junk:
    """A rule of words: takes away what boorus keep for themselves, and what ``drop`` names."""

    drop: Patterns = NOTHING
    lists: bool = True

    def __call__(self, name: str, kind: str) -> str:
        """Return the name, or "" for junk."""
        return "" if name in self.drop or (self.lists and _is_junk(name, kind)) else name


def _is_junk(name: str, kind: str) -> bool:
    if kind in _NAMES:
        return name == "banned_artist"
    return (kind == "meta" and name not in SEEN) or name in JUNK
