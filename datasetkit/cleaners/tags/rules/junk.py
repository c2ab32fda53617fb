"""Tags that say nothing a model should learn: what boorus keep for themselves.

Sources: the kind ``meta`` of Danbooru and its kin; the blacklist of deepghs (alternate costumes
and the like, of which a trainer cannot know what they alternate with); kohya-colab's ten; the
words by which HakuBooru knows meta tags, here as whole tags rather than as substrings ("bad" and
"request" stand inside tags that mean something).

What can be seen in the picture stays, though those lists have it: how it is framed
(feet_out_of_frame), clothes of the other sex (crossdressing), several ages side by side
(age_progression), another's way of drawing (style_parody), the paint or pencil it is made with
(watercolor_(medium), but photoshop_(medium) goes), and the faults of its file (lowres,
jpeg_artifacts). A model that is not told of these learns them as the character's own, and told of
them, it can be asked to leave them out.
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
    paid_reward_available variant_set spoilers commission skeb_commission commissioner_upload
    self-upload second-party_source non-web_source pixiv_id larger_resolution_available
    non-repeating_animation ugoira exif_rotation corrupted_metadata
""".split()

# What compares the picture with others of the same character, and what it was made for.
COMPARED = """
    alternate_costume alternate_breast_size alternate_color alternate_eye_color alternate_form
    alternate_hair_color alternate_hair_length alternate_hairstyle alternate_headwear
    alternate_legwear alternate_pectoral_size alternate_skin_color alternate_universe
    alternate_weapon alternate_wings official_alternate_costume official_alternate_hairstyle
    official_alternate_hair_length adapted_costume contemporary casual cosplay
    aged_up no_eyewear genderswap genderswap_(mtf) genderswap_(ftm) parody virtual_youtuber
""".split()

# Danbooru has these among its meta tags: what the file looks like, and what a hand or a lens made
# it with, of which the list of "(medium)" takes no notice.
SEEN = frozenset(
    """
    lowres upscaled scan jpeg_artifacts scan_artifacts anime_screenshot game_screenshot screencap
    traditional_media mixed_media acrylic_paint_(medium) ballpoint_pen_(medium) brush_(medium)
    calligraphy_brush_(medium) canvas_(medium) chalk_(medium) charcoal_(medium)
    colored_pencil_(medium) crayon_(medium) gouache_(medium) graphite_(medium) ink_(medium)
    marker_(medium) millipen_(medium) nib_pen_(medium) oil_painting_(medium) painting_(medium)
    pastel_(medium) pen_(medium) photo_(medium) watercolor_(medium) watercolor_pencil_(medium)
    """.split()
)

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
        return "" if self.drop.means(name, kind) or (self.lists and _is_junk(name, kind)) else name


def _is_junk(name: str, kind: str) -> bool:
    if kind in _NAMES:
        return name.lower() == "banned_artist"
    return (kind == "meta" or name in JUNK) and name.lower() not in SEEN
