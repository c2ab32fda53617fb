"""Tags that say nothing a model should learn: what boorus keep for themselves.

Sources: the kind ``meta`` of Danbooru and its kin; the blacklist of deepghs (alternate costumes
and the like, of which a trainer cannot know what they alternate with); kohya-colab's ten; the
words by which HakuBooru knows meta tags, here as whole tags rather than as substrings ("bad" and
"request" stand inside tags that mean something).
"""

# Meta tags by name, for captions that come without kinds (a local folder, a tagger).
META = """
    absurdres incredibly_absurdres highres lowres huge_filesize wide_image tall_image
    resolution_mismatch source_larger md5_mismatch image_sample downscaled upscaled scan
    commentary *_commentary commentary_* check_commentary
    translated partially_translated hard_translated *_translation translation_*
    *_request bad_id bad_*_id bad_link bad_source bad_metadata check_*
    revision duplicate pixel-perfect_duplicate third-party_edit third-party_source
    has_audio video animated animated_gif animated_png looping_animation
    *_(medium) tagme photoshop official_art
""".split()

# What compares the picture with others of the same character, and what it was made for.
COMPARED = """
    alternate_costume alternate_breast_size alternate_color alternate_eye_color alternate_form
    alternate_hair_color alternate_hair_length alternate_hairstyle alternate_headwear
    alternate_legwear alternate_pectoral_size alternate_skin_color alternate_universe
    alternate_weapon alternate_wings official_alternate_costume official_alternate_hairstyle
    official_alternate_hair_length adapted_costume contemporary casual cosplay
    age_progression aged_up no_eyewear genderswap genderswap_(mtf) genderswap_(ftm)
    crossdressing parody style_parody virtual_youtuber feet_out_of_frame head_out_of_frame
""".split()

JUNK = (*META, *COMPARED)
