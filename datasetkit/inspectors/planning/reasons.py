"""A training's numbers as rows: each with its value, its reason and how that is known."""

from collections.abc import Iterator
from math import ceil

from datasetkit import tokens
from datasetkit.exporters.chosen import LEADS
from datasetkit.inspectors.planning.memory import learned
from datasetkit.inspectors.planning.numbers import EACH, FEW, MANY, ROUNDS, Number, Training
from datasetkit.inspectors.planning.survey import STYLE
from datasetkit.recipe import USUAL
from datasetkit.tags import to_caption


def numbers(training: Training) -> Iterator[Number]:
    """Every number of a training, in the order in which a person reads them."""
    yield from _shown(training)
    yield from _sizes(training)
    yield from _lora(training)
    yield from _captions(training)
    yield from _machine(training)


def _shown(it: Training) -> Iterator[Number]:
    count, asked = it.seen.pictures, it.asked
    rounds = f"{count:,} x {it.repeats:,} x {it.epochs:,}"
    if asked.steps:
        why, known = f"{rounds} comes nearest to --steps {asked.steps}", "asked"
    elif count * EACH < it.aim * it.batch:
        why = f"{rounds}; each picture {EACH} times at most: more is learned by heart"
        known = "judgement"
    elif it.repeats == 1 and it.epochs < ROUNDS[0]:
        why = f"{rounds}; {it.aim:,} steps are aimed at, and each picture is shown once an epoch"
        known = "recipe"
    else:
        why = f"{rounds}; {it.aim:,} steps of {it.batch} are aimed at (recipes: 1,500 to 3,000)"
        known = "recipe"
    yield Number("pictures shown", f"{it.views:,}", why, known)
    yield Number(
        "repeats",
        str(it.repeats),
        f"ceil({it.views:,} / {_of(it.epochs, 'epoch')} / {_of(count, 'picture')}), in each epoch",
        "arithmetic",
    )
    if asked.epochs:
        why, known = "asked with --epochs", "asked"
    elif it.epochs < ROUNDS[0]:
        why = f"{count:,} pictures are enough in {it.epochs}; there are as few files to choose from"
        known = "judgement"
    else:
        why = "a file each, for the grid to find the best of; of 8 to 14 what comes nearest"
        known = "judgement"
    yield Number("epochs", str(it.epochs), why, known)
    if asked.batch:
        why, known = "asked with --batch", "asked"
    elif it.batch == 1:
        why, known = f"2 do not surely fit into {asked.memory:g} GB", "measured"
    else:
        why = f"recipes have 2 to 4; the most that surely fits into {asked.memory:g} GB"
        if it.batch == 2:
            few = "the set is small" if count <= MANY else "4 do not surely fit or leave short ones"
            why = f"recipes have 2 to 4; {few}"
        known = "recipe"
    yield Number("batch", str(it.batch), why, known)
    full = ceil(count * it.repeats / it.batch)
    short = "" if it.batches == full else f" (full batches would be {full:,})"
    summed = f", the sum of ceil(pictures in a bucket / {it.batch}) over the buckets{short},"
    yield Number(
        "steps",
        f"{it.steps:,}",
        f"{it.batches:,} batches an epoch{summed * (it.batch > 1)} x {_of(it.epochs, 'epoch')}",
        "arithmetic",
    )


def _sizes(it: Training) -> Iterator[Number]:
    smaller = it.seen.smaller(it.resolution)
    made = f"; {smaller:,} of {it.seen.pictures:,} pictures are smaller and made larger" * (
        smaller > 0
    )
    if it.asked.resolution:
        why, known = f"asked with --resolution{made}", "asked"
    else:
        why, known = f"what {it.asked.family.name} was made for{made}", "family"
    yield Number("resolution", str(it.resolution), why, known)
    sides = it.buckets
    alone = f"; {it.alone} with one picture alone" if it.alone else ""
    yield Number(
        "buckets",
        str(len(it.in_buckets)),
        f"shapes that the pictures have, of about {it.resolution}x{it.resolution} px, sides of "
        f"{sides.smallest} to {sides.largest} by {sides.step}{alone}",
        "counted",
    )


def _lora(it: Training) -> Iterator[Number]:
    kind = it.kind[0]
    if it.seen.pictures < FEW:
        why = f"half of the usual {USUAL.rank}: what is learned from so few pictures is little"
        known = "judgement"
    elif kind == STYLE:
        why, known = (
            "recipes have 8 to 32; a style is in all parts of a picture",
            "recipe",
        )
    else:
        why, known = "recipes for characters have 8 to 32", "recipe"
    yield Number("rank", str(it.rank), why, known)
    yield Number("alpha", f"{it.rank / 2:g}", "half of the rank: a strength of 0.5", "recipe")
    yield Number("lr (UNet)", _rate(USUAL.lr), "of AdamW, at alpha half of the rank", "recipe")
    if it.ours:
        text = ("half of the UNet's: words are learned sooner than shapes", "recipe")
    else:
        text = ("UNet only, as sd-scripts' docs advise for SDXL", "published")
    yield Number("lr (text)", _rate(it.text_rate), *text)
    yield Number(
        "scheduler", USUAL.scheduler, "falls to 0, so that the last epochs settle", "recipe"
    )
    yield Number(
        "warm-up",
        "0",
        "a LoRA begins as nothing (its up matrices are 0), and no recipe asks for one",
        "judgement",
    )
    if it.min_snr:
        yield Number("min-SNR", f"{it.min_snr:g}", "evens out the timesteps", "recipe")
    else:
        yield Number(
            "min-SNR",
            "0",
            "off: it would give no weight to the pure noise that this family's schedule ends in",
            "arithmetic",
        )


def _captions(it: Training) -> Iterator[Number]:
    seen = it.seen
    told = seen.pictures - seen.fixed[0]
    if told:
        why = f"as {told:,} of {seen.pictures:,} pictures say (dsk clean --keep-tokens)"
        if len(seen.fixed) > 1:
            why += "; the least of all"
        known = "counted"
    else:
        why, known = "the first tag stays in front, the others are shuffled", "recipe"
        if it.low:
            why = "no tag is shuffled"
        if not seen.word and not any(seen.leads.get(lead) for lead in LEADS):
            why += "; no caption has a trigger (dsk clean --first adds one)"
    yield Number("keep_tokens", str(it.keep), why, known)
    beyond = tokens.too_long(seen.lengths, it.chunk)
    why = f"the longest caption has {seen.longest} tokens"
    if beyond:
        over = sum(n for length, n in seen.lengths.items() if length > it.chunk)
        why += f", {over:,} {'is' if over == 1 else 'are'} cut (dsk clean --tokens {it.chunk})"
    yield Number("caption length", str(it.chunk), why, "counted")
    if it.flip:
        why = "mirrored pictures make a small set larger, and no tag names what differs by side"
        known = "judgement"
    elif seen.several:
        few = sorted(seen.sided.items(), key=lambda pair: (-pair[1], pair[0]))[:3]
        names = ", ".join(f"{to_caption(name)} {count}" for name, count in few)
        why, known = f"a mirror would harm what differs by side: {names}", "counted"
    elif seen.pictures < FEW:
        why, known = "too few tags to tell what differs by side", "counted"
    else:
        why, known = (
            "there are pictures enough; a mirror may harm what differs by side",
            "judgement",
        )
    yield Number("flip", "yes" if it.flip else "no", why, known)
    if seen.masked:
        yield Number(
            "masks",
            str(seen.masked),
            f"of {seen.pictures:,} pictures have parts that are not learned (dsk text --how mask)",
            "counted",
        )


def _machine(it: Training) -> Iterator[Number]:
    known = "measured"
    if it.lean:
        why = "without it the activations would not surely fit"
        if not it.ours:
            why = "SDXL without it keeps 8 kB a pixel"
        why += "; a step takes a third longer"
    else:
        why = f"not needed in {it.asked.memory:g} GB; it would cost a third of the time"
    yield Number("checkpointing", "yes" if it.lean else "no", why, known)
    if it.low:
        why = (
            f"without it, it would not surely fit into {it.asked.memory:g} GB: base in fp8, 8-bit "
            "Adam, the texts' numbers cached (which forbids the shuffle of tags)"
        )
        yield Number("low memory", "yes", why, "arithmetic")
    if it.ours:
        why = "bf16 where the card has it (RTX 30 and later), else fp32; fp16 needs loss scaling"
        yield Number("precision", "auto", why, "judgement")
    else:
        yield Number("precision", "fp16", "what every card has; kohya scales the loss", "judgement")
    count = learned(it.use().shape, it.rank, bool(it.text_rate))
    yield Number(
        "file",
        f"{it.file_bytes / 1e6:.1f} MB",
        f"{count:,} numbers of 2 bytes (fp16); {_of(it.epochs, 'file')} "
        f"{'is' if it.epochs == 1 else 'are'} "
        f"{it.epochs * it.file_bytes / 1e6:,.0f} MB",
        "arithmetic",
    )
    known = "measured" if it.ours else "measured in part"  # SDXL's block that is computed again
    yield Number("memory", str(it.need), it.need.sum, known)


def _rate(rate: float) -> str:
    return f"{rate:g}".replace("e-0", "e-")


def _of(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"
