"""Whether two pictures are one: fingerprints, their index, and the look that tells variants."""

import io
import itertools
import random
from dataclasses import replace

import pytest
from PIL import Image, ImageDraw, ImageFont

from datasetkit.demo.drawing import ACCESSORIES, CHARACTERS, MOUTHS, Traits, draw
from datasetkit.likeness import (
    MAX_RADIUS,
    Likenesses,
    Look,
    Relation,
    Way,
    distance,
    fingerprint,
    fingerprints,
    relation,
    same_picture,
    turned,
)
from datasetkit.pixels import flattened

SIZE = (600, 840)
TRAITS = {
    "kohaku": CHARACTERS["kohaku"],
    "akane": replace(CHARACTERS["akane"], background="yellow", accessories=frozenset({"necktie"})),
    "sumire": replace(CHARACTERS["sumire"], transparent=True, mouth="open"),
}
FILTERS = (
    Image.Resampling.BOX,
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)


def drawn(traits: Traits) -> Image.Image:
    return draw(traits, 7, SIZE)[0]


def white(image: Image.Image) -> Image.Image:
    return flattened(image, (255, 255, 255)) if image.mode == "RGBA" else image


def encoded(image: Image.Image, form: str, **options: object) -> Image.Image:
    file = io.BytesIO()
    image.save(file, form, **options)
    return Image.open(file).convert("RGB")


def scaled(image: Image.Image, scale: float, how: Image.Resampling) -> Image.Image:
    return image.resize((round(image.width * scale), round(image.height * scale)), how)


def written_on(image: Image.Image, place: tuple[float, float], height: float) -> Image.Image:
    image = white(image).copy()
    ImageDraw.Draw(image).text(
        (image.width * place[0], image.height * place[1]),
        "Good day",
        fill=(20, 20, 40),
        stroke_width=2,
        stroke_fill="white",
        font=ImageFont.load_default(image.height * height),
    )
    return image


def copies(image: Image.Image) -> list[Image.Image]:
    """The picture as other sites keep it."""
    found = [encoded(white(image), "JPEG", quality=quality) for quality in (30, 60, 75, 95)]
    found += [encoded(white(image), "WEBP", quality=quality) for quality in (30, 80)]
    for scale, how in zip((0.5, 0.6, 0.75, 0.9), FILTERS, strict=True):
        found.append(scaled(image, scale, how))
        found.append(encoded(white(scaled(image, scale, how)), "JPEG", quality=50))
    return found


def variants(traits: Traits) -> dict[str, Image.Image]:
    """Other pictures that differ from it in one thing."""
    found = {m: drawn(replace(traits, mouth=m)) for m in MOUTHS if m != traits.mouth}
    for name in ACCESSORIES:
        found[name] = drawn(replace(traits, accessories=traits.accessories ^ {name}))
    found["eyes"] = drawn(replace(traits, eyes="purple"))
    shirt = "red" if traits.shirt != "red" else "white"
    found["shirt"] = drawn(replace(traits, shirt=shirt))
    if not traits.transparent:
        found["background"] = drawn(replace(traits, background="pink"))
    found["words above"] = written_on(drawn(traits), (0.1, 0.03), 0.04)
    found["words below"] = written_on(drawn(traits), (0.6, 0.94), 0.03)
    return found


@pytest.mark.parametrize("name", TRAITS)
def test_re_encodings_and_other_sizes_are_the_same_picture(name):
    image = drawn(TRAITS[name])
    others = copies(image)
    for other in others:
        assert distance(fingerprint(image), fingerprint(other)) <= MAX_RADIUS
        assert same_picture(image, other)
        assert same_picture(other, image)
    for one, other in itertools.pairwise(others):
        assert same_picture(one, other)


@pytest.mark.parametrize("name", TRAITS)
def test_variants_are_not_the_same_picture(name):
    image = drawn(TRAITS[name])
    poor = encoded(white(scaled(image, 0.5, Image.Resampling.LANCZOS)), "JPEG", quality=50)
    for what, variant in variants(TRAITS[name]).items():
        assert not same_picture(image, variant), what
        assert not same_picture(image, encoded(white(variant), "JPEG", quality=60)), what
        assert not same_picture(poor, variant), what


@pytest.mark.parametrize("name", TRAITS)
def test_a_variant_is_told_from_a_picture_of_something_else(name):
    image = drawn(TRAITS[name])
    for what, variant in variants(TRAITS[name]).items():
        poor = encoded(white(scaled(variant, 0.6, Image.Resampling.LANCZOS)), "JPEG", quality=60)
        for other in (variant, poor):
            assert relation(Look(image), Look(other)) is Relation.VARIANT, what
    for other in {*TRAITS} - {name}:
        them = draw(TRAITS[other], 8, SIZE)[0]
        assert relation(Look(image), Look(them)) is Relation.OTHER


@pytest.mark.parametrize(
    ("share", "quality"), [(1, 0), (2, 0), (4, 0), (8, 0), (1, 80), (2, 80), (4, 80)]
)
def test_a_small_change_in_a_large_picture_makes_a_variant(share, quality):
    """A mouth or the eyes, of a figure that takes a small part of the picture."""
    size = (1200, 1500)
    inner = (size[0] // share, size[1] // share)

    def placed(**other: str) -> Image.Image:
        image = Image.linear_gradient("L").resize(size).convert("RGB")
        figure = draw(replace(TRAITS["kohaku"], **other), 7, inner)[0]
        image.paste(figure.convert("RGB"), (size[0] // 2 - inner[0] // 2, size[1] // 4 // share))
        return encoded(image, "JPEG", quality=quality) if quality else image

    first = Look(placed(), 512)
    for other in ({"mouth": "straight"}, {"mouth": "open"}, {"eyes": "blue"}, {"shirt": "red"}):
        assert relation(first, Look(placed(**other), 512)) is not Relation.SAME, other
    assert relation(first, Look(placed(), 512)) is Relation.SAME
    for again in (95, 60):
        assert relation(first, Look(encoded(placed(), "JPEG", quality=again), 512)) is Relation.SAME


@pytest.mark.parametrize("seed", range(4))
def test_a_tiny_change_shows_through_another_size_and_quality(seed):
    """Another mouth: 0.03 % of the picture's area, in files that share no pixel."""
    rng = random.Random(seed)
    size, inner = (900, 1200), (420, 560)
    ground = Image.radial_gradient("L").resize(size).convert("RGB")

    def placed(mouth: str, scale: float, quality: int) -> Look:
        traits = replace(TRAITS["sumire"], mouth=mouth)
        figure = draw(traits, seed, inner)[0]
        image = ground.copy()
        image.paste(figure, (200 + 20 * seed, 300), figure)
        return Look(encoded(scaled(image, scale, FILTERS[seed]), "JPEG", quality=quality), 512)

    first = placed("smile", 1, 90)
    for quality in (95, 75, 60):
        scale = rng.uniform(0.6, 1)
        assert relation(first, placed("smile", scale, quality)) is Relation.SAME
        for mouth in ("open", "straight"):
            assert relation(first, placed(mouth, scale, quality)) is Relation.VARIANT


def test_one_pixel_of_pixel_art_makes_a_variant():
    rng = random.Random(3)
    image = Image.new("RGB", (96, 96))
    image.putdata([rng.choice([(0, 0, 0), (250, 250, 250), (200, 30, 30)]) for _ in range(96 * 96)])
    other = image.copy()
    other.putpixel((40, 50), (30, 30, 200))
    assert relation(Look(image), Look(other)) is Relation.VARIANT
    assert same_picture(image, image.resize((384, 384), Image.Resampling.NEAREST))


def test_a_picture_made_small_for_the_look_tells_as_much():
    traits = TRAITS["sumire"]
    image = draw(traits, 7, (900, 1260))[0]
    small = Look(image, 512)
    assert small.size == (450, 630)
    for other in copies(image):
        assert relation(small, Look(other, 512)) is Relation.SAME
    for mouth in ("smile", "straight"):
        variant = draw(replace(traits, mouth=mouth), 7, (900, 1260))[0]
        assert relation(small, Look(variant, 512)) is Relation.VARIANT


def test_two_flat_pictures_are_no_variants():
    red, blue = (Look(Image.new("RGB", (90, 90), colour)) for colour in ("red", "blue"))
    assert relation(red, blue) is Relation.OTHER


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("name", TRAITS)
def test_a_fingerprint_tells_how_a_picture_was_turned(name, way):
    image = drawn(TRAITS[name])
    known = fingerprints(image)
    assert known[Way.UPRIGHT] == fingerprint(image)
    assert distance(known[way], fingerprint(turned(image, way))) <= 2
    others = [distance(known[other], fingerprint(turned(image, way))) for other in Way]
    assert min(others) == others[list(Way).index(way)]


def test_other_drawings_are_far_apart():
    prints = [
        fingerprint(draw(name, seed, (300, 300))[0]) for name in CHARACTERS for seed in (1, 2)
    ]
    for place, one in enumerate(prints):
        assert all(distance(one, other) > MAX_RADIUS for other in prints[:place])


def test_flat_pictures_are_told_apart_by_colour_and_shape():
    gray = Image.new("RGB", (300, 400), (90, 90, 90))
    assert same_picture(gray, gray.resize((150, 200)))
    assert fingerprint(gray) == fingerprint(gray.resize((150, 200)))
    assert not same_picture(gray, Image.new("RGB", (300, 400), (90, 90, 110)))
    assert not same_picture(gray, Image.new("RGB", (400, 400), (90, 90, 90)))
    black, clear = Image.new("RGB", (9, 9)), Image.new("RGBA", (9, 9), (0, 0, 0, 0))
    assert not same_picture(black, clear)
    assert same_picture(clear, Image.new("RGB", (9, 9), "white"))


@pytest.mark.parametrize(("width", "same"), [(600, True), (606, True), (615, False), (300, False)])
def test_the_shape_may_differ_by_a_rounding_only(width, same):
    image = drawn(TRAITS["kohaku"])
    assert same_picture(image, image.resize((width, SIZE[1]), Image.Resampling.BICUBIC)) is same


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (64, 64)])
def test_any_mode_and_any_size_will_do(mode, size):
    image = Image.new(mode, size)
    assert 0 <= fingerprint(image) < 2**64
    assert same_picture(image, image)


def test_nothing_is_changed_by_being_looked_at():
    image = drawn(TRAITS["sumire"])
    before = image.tobytes()
    fingerprint(image)
    same_picture(image, image)
    assert image.tobytes() == before


def test_a_fingerprint_is_the_same_on_every_machine():
    ramp = Image.linear_gradient("L").rotate(90)
    mixed = Image.merge("RGB", (ramp, Image.radial_gradient("L"), Image.linear_gradient("L")))
    assert fingerprint(mixed) == 0xAA56_9D21_E31E_9D32


# --- the index ------------------------------------------------------------------------------


def flipped(value: int, *bits: int) -> int:
    for bit in bits:
        value ^= 1 << bit
    return value


def test_near_ones_come_by_distance_and_then_by_arrival():
    known = Likenesses()
    start = 0x0123_4567_89AB_CDEF
    for key, bits in {"d": (1, 2), "a": (), "b": (63,), "far": range(8), "c": (0,)}.items():
        known.add(key, flipped(start, *bits))
    assert known.near(start) == ["a", "b", "c", "d"]
    assert known.near(start, 1) == ["a", "b", "c"]
    assert known.near(start, 0) == ["a"]
    assert Likenesses().near(start) == []


@pytest.mark.parametrize("radius", range(MAX_RADIUS + 1))
def test_none_is_overlooked(radius):
    rng = random.Random(radius)
    known = Likenesses()
    all_of_them: dict[str, int] = {}
    centres = [rng.getrandbits(64) for _ in range(40)]
    for number in range(2000):
        value = flipped(rng.choice(centres), *rng.sample(range(64), rng.randrange(12)))
        known.add(f"k{number}", value)
        all_of_them[f"k{number}"] = value
    for number in rng.sample(range(2000), 300):
        known.discard(f"k{number}")
        del all_of_them[f"k{number}"]
    for centre in [*centres, 0, 2**64 - 1]:
        near = [(distance(centre, value), key) for key, value in all_of_them.items()]
        expected = [pair for pair in near if pair[0] <= radius]
        expected.sort(key=lambda pair: pair[0])  # stable: in order of arrival
        assert known.near(centre, radius) == [key for _, key in expected]


def test_a_key_stands_for_one_picture():
    known = Likenesses()
    known.add("a", 1)
    known.add("a", 2**64 - 1)
    assert (known.near(1), known.near(2**64 - 1), len(known)) == ([], ["a"], 1)
    known.discard("a")
    known.discard("a")
    assert (known.near(2**64 - 1), len(known), "a" in known) == ([], 0, False)
    known.add("a", 5)
    assert known.near(5) == ["a"]


def test_what_comes_and_goes_leaves_no_heap_behind():
    known = Likenesses()
    known.add("stays", 77)
    for number in range(10_000):
        known.add(f"k{number % 3}", number)
    assert len(known) == 4
    assert len(known._keys) < 2000
    assert known.near(77, 0) == ["stays"]
    assert known.near(9999, 0) == ["k0"]


@pytest.mark.parametrize("radius", [-1, 8])
def test_a_radius_beyond_the_bands_is_refused(radius):
    with pytest.raises(ValueError, match="radius is 0 to 7"):
        Likenesses().near(0, radius)
