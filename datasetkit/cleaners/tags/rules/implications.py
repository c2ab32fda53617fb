"""Which tags say which, as a small table: a cat's ears are an animal's, a pleated skirt a skirt.

Written for this house after what the names mean on Danbooru, directed and on whole names. Left
out is whatever needs a look at the picture, and what is away, in hand or only pictured. A site's
own implications, thousands more, come by ``dsk tags refresh``.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

# What is said: by which tags, where * stands for each colour.
_TABLE = """
long_hair: very_long_hair
very_long_hair: absurdly_long_hair
short_hair: very_short_hair
braid: single_braid twin_braids quad_braids multiple_braids side_braid french_braid crown_braid
    braided_ponytail braided_bun
twin_braids: low_twin_braids
ponytail: high_ponytail short_ponytail folded_ponytail braided_ponytail
twintails: low_twintails short_twintails
hair_bun: double_bun single_hair_bun braided_bun cone_hair_bun
drill_hair: twin_drills drill_sidelocks side_drill
sidelocks: asymmetrical_sidelocks long_sidelocks drill_sidelocks
multicolored_hair: two-tone_hair gradient_hair streaked_hair colored_inner_hair rainbow_hair
    colored_tips split-color_hair
brown_hair: light_brown_hair
blonde_hair: platinum_blonde_hair
blue_hair: dark_blue_hair light_blue_hair
green_hair: dark_green_hair light_green_hair
purple_hair: light_purple_hair
ahoge: huge_ahoge heart_ahoge
multicolored_eyes: two-tone_eyes gradient_eyes
symbol-shaped_pupils: heart-shaped_pupils star-shaped_pupils flower-shaped_pupils
    cross-shaped_pupils
animal_ears: cat_ears dog_ears fox_ears wolf_ears rabbit_ears mouse_ears cow_ears horse_ears
    bear_ears lion_ears tiger_ears sheep_ears goat_ears deer_ears raccoon_ears squirrel_ears
    leopard_ears ferret_ears otter_ears pig_ears panda_ears red_panda_ears jaguar_ears
    animal_ear_fluff
tail: cat_tail dog_tail fox_tail wolf_tail rabbit_tail mouse_tail cow_tail horse_tail tiger_tail
    lion_tail leopard_tail dragon_tail demon_tail lizard_tail snake_tail squirrel_tail raccoon_tail
    monkey_tail sheep_tail deer_tail bird_tail scorpion_tail crocodilian_tail panda_tail
    red_panda_tail pig_tail bear_tail multiple_tails
horns: dragon_horns demon_horns goat_horns sheep_horns cow_horns oni_horns curled_horns broken_horn
    mechanical_horns
wings: angel_wings demon_wings bat_wings dragon_wings fairy_wings insect_wings feathered_wings
    mechanical_wings black_wings white_wings red_wings blue_wings purple_wings pink_wings
    yellow_wings low_wings head_wings ice_wings energy_wings mini_wings multiple_wings single_wing
insect_wings: butterfly_wings
skirt: *_skirt pleated_skirt miniskirt microskirt medium_skirt long_skirt pencil_skirt
    high-waist_skirt plaid_skirt layered_skirt frilled_skirt denim_skirt suspender_skirt
    bubble_skirt lace-trimmed_skirt striped_skirt print_skirt
dress: *_dress sleeveless_dress strapless_dress short_dress long_dress sundress wedding_dress
    sailor_dress china_dress pinafore_dress pleated_dress frilled_dress ribbed_dress sweater_dress
    layered_dress lace-trimmed_dress off-shoulder_dress backless_dress halter_dress striped_dress
    plaid_dress print_dress tube_dress fur-trimmed_dress
shirt: *_shirt dress_shirt collared_shirt t-shirt print_shirt striped_shirt tied_shirt
    sleeveless_shirt off-shoulder_shirt polo_shirt open_shirt
jacket: *_jacket denim_jacket leather_jacket cropped_jacket track_jacket bomber_jacket
    military_jacket hooded_jacket letterman_jacket blazer puffer_jacket fur-trimmed_jacket
    open_jacket
blazer: *_blazer
coat: *_coat trench_coat winter_coat fur_coat duffel_coat hooded_coat fur-trimmed_coat open_coat
cloak: *_cloak hooded_cloak fur-trimmed_cloak
cape: *_cape hooded_cape fur-trimmed_cape
capelet: *_capelet hooded_capelet fur-trimmed_capelet
hoodie: *_hoodie cropped_hoodie sleeveless_hoodie
sweater: *_sweater turtleneck_sweater ribbed_sweater off-shoulder_sweater aran_sweater
    striped_sweater
turtleneck: turtleneck_sweater sleeveless_turtleneck
cardigan: *_cardigan open_cardigan
vest: *_vest sweater_vest open_vest
shorts: *_shorts short_shorts denim_shorts dolphin_shorts gym_shorts
short_shorts: micro_shorts
pants: *_pants jeans baggy_pants capri_pants track_pants sweatpants tight_pants leather_pants
jeans: torn_jeans
school_uniform: serafuku gakuran
serafuku: *_serafuku
sailor_collar: *_sailor_collar
swimsuit: *_swimsuit one-piece_swimsuit bikini
one-piece_swimsuit: *_one-piece_swimsuit school_swimsuit competition_swimsuit
    casual_one-piece_swimsuit
bikini: *_bikini frilled_bikini striped_bikini
leotard: *_leotard
japanese_clothes: kimono yukata hakama haori
kimono: *_kimono furisode short_kimono sleeveless_kimono floral_print_kimono
hakama: *_hakama hakama_skirt
chinese_clothes: china_dress
korean_clothes: hanbok
thighhighs: *_thighhighs striped_thighhighs single_thighhigh frilled_thighhighs
pantyhose: *_pantyhose torn_pantyhose striped_pantyhose fishnet_pantyhose
fishnets: fishnet_pantyhose
socks: *_socks striped_socks ankle_socks loose_socks bobby_socks single_sock
kneehighs: *_kneehighs single_kneehigh
gloves: *_gloves fingerless_gloves partially_fingerless_gloves elbow_gloves single_glove half_gloves
    latex_gloves leather_gloves fur-trimmed_gloves asymmetrical_gloves
boots: *_boots knee_boots thigh_boots ankle_boots high_heel_boots lace-up_boots armored_boots
    combat_boots cowboy_boots rubber_boots fur-trimmed_boots platform_boots
high_heels: *_high_heels high_heel_boots platform_heels stiletto_heels strappy_heels
shoes: *_shoes mary_janes loafers sneakers single_shoe
sneakers: *_sneakers
sandals: *_sandals flip-flops gladiator_sandals
slippers: *_slippers animal_slippers
hat: *_hat beret baseball_cap witch_hat straw_hat peaked_cap top_hat mini_hat santa_hat sun_hat
    cabbie_hat bucket_hat fedora bowler_hat sailor_hat cowboy_hat chef_hat party_hat garrison_cap
    military_hat fur_hat tokin_hat pirate_hat porkpie_hat school_hat mob_cap flat_cap
    police_hat animal_hat mortarboard deerstalker rice_hat beanie
beret: *_beret
mini_hat: mini_top_hat mini_witch_hat
top_hat: mini_top_hat
witch_hat: mini_witch_hat
fur_hat: ushanka
animal_hat: cat_hat
crown: mini_crown
helmet: motorcycle_helmet bicycle_helmet winged_helmet horned_helmet kabuto_(helmet) space_helmet
hair_ornament: hairclip hair_flower hair_stick hair_bell hair_beads hair_bobbles kanzashi
    star_hair_ornament heart_hair_ornament x_hair_ornament snowflake_hair_ornament
    butterfly_hair_ornament leaf_hair_ornament feather_hair_ornament skull_hair_ornament
    cat_hair_ornament fish_hair_ornament carrot_hair_ornament crescent_hair_ornament
    frog_hair_ornament snake_hair_ornament anchor_hair_ornament musical_note_hair_ornament
    bat_hair_ornament rabbit_hair_ornament bone_hair_ornament cross_hair_ornament
    food-themed_hair_ornament
hairband: *_hairband frilled_hairband lolita_hairband striped_hairband lace-trimmed_hairband
bow: *_bow hair_bow large_bow striped_bow polka_dot_bow back_bow frilled_bow plaid_bow hat_bow
    footwear_bow dress_bow tail_bow
ribbon: *_ribbon hair_ribbon neck_ribbon hat_ribbon leg_ribbon wrist_ribbon ankle_ribbon tail_ribbon
    striped_ribbon
scrunchie: *_scrunchie hair_scrunchie wrist_scrunchie
bowtie: *_bowtie striped_bowtie
necktie: *_necktie striped_necktie short_necktie loose_necktie plaid_necktie
neckerchief: *_neckerchief
ascot: *_ascot
scarf: *_scarf striped_scarf plaid_scarf
choker: *_choker
belt: *_belt
apron: *_apron waist_apron frilled_apron maid_apron
corset: *_corset
bell: neck_bell jingle_bell hair_bell
jewelry: earrings necklace bracelet ring anklet brooch
earrings: stud_earrings hoop_earrings single_earring star_earrings heart_earrings cross_earrings
    crystal_earrings tassel_earrings magatama_earrings
necklace: pearl_necklace bead_necklace magatama_necklace cross_necklace heart_necklace
bracelet: pearl_bracelet bead_bracelet spiked_bracelet
goggles: goggles_on_head goggles_around_neck
eyepatch: medical_eyepatch
mask: mouth_mask fox_mask gas_mask oni_mask bird_mask
mouth_mask: surgical_mask
armor: breastplate shoulder_armor plate_armor full_armor japanese_armor greaves faulds pauldrons
shoulder_armor: pauldrons
puffy_sleeves: puffy_short_sleeves puffy_long_sleeves juliet_sleeves
short_sleeves: puffy_short_sleeves
long_sleeves: puffy_long_sleeves juliet_sleeves sleeves_past_wrists
sleeves_past_wrists: sleeves_past_fingers
smile: light_smile grin evil_smile crazy_smile nervous_smile
grin: evil_grin
blush: light_blush full-face_blush nose_blush ear_blush
tears: streaming_tears happy_tears
crying: crying_with_eyes_open
teeth: sharp_teeth clenched_teeth upper_teeth_only
tongue: tongue_out long_tongue
v: double_v
sitting: wariza seiza indian_style yokozuwari butterfly_sitting sitting_on_lap sitting_on_person
standing: standing_on_one_leg
lying: on_back on_side on_stomach
kneeling: on_one_knee
sky: blue_sky night_sky starry_sky cloudy_sky orange_sky red_sky pink_sky purple_sky
cloud: cloudy_sky
night: night_sky
moon: full_moon crescent_moon red_moon
tree: palm_tree bare_tree pine_tree
flower: *_flower rose sunflower tulip lily_(flower) hibiscus hydrangea camellia daisy lotus
    spider_lily carnation chrysanthemum lavender_(flower)
rose: *_rose
weapon: sword gun polearm bow_(weapon)
sword: katana rapier greatsword energy_sword
gun: rifle handgun shotgun machine_gun submachine_gun
rifle: assault_rifle sniper_rifle
handgun: revolver
polearm: spear lance halberd naginata trident
cat: kitten black_cat white_cat grey_cat orange_cat
dog: puppy shiba_inu
bird: crow owl penguin dove duck chicken eagle seagull swan parrot sparrow
fish: goldfish
instrument: guitar violin piano drum flute trumpet harp cello keyboard_(instrument) accordion
guitar: electric_guitar acoustic_guitar
piano: grand_piano
drum: drum_set
fruit: apple banana cherry grapes lemon orange_(fruit) peach pear pineapple strawberry watermelon
motor_vehicle: car motorcycle truck
aircraft: airplane helicopter
"""
_COLOURS = "aqua beige black blue brown green grey orange pink purple red white yellow".split()


def _pairs() -> Iterator[tuple[str, str]]:
    """Each tag with one that it says."""
    for line in _TABLE.strip().replace("\n    ", " ").splitlines():
        parent, _, children = line.partition(": ")
        for child in children.split():
            for colour in _COLOURS if child.startswith("*") else [""]:
                yield child.replace("*", colour, 1), parent


def _table() -> Mapping[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    for child, parent in _pairs():
        table[child] = (*table.get(child, ()), parent)
    return MappingProxyType(table)


IMPLIED = _table()
