"""The numbers of a training, each with its reason in a sentence and how that is known.

Where the reasons come from stands behind them in brackets: ``recipe`` is what the community's
recipes agree on (wikis and model cards: rank 8 to 32 and alpha half of it, UNet 1e-4, text encoder
5e-5 or nothing, cosine, batch 2 to 4, 1,500 to 3,000 steps, min-SNR 5; no trial of ours);
``judgement`` is ours, without a trial; ``counted`` is from this dataset; ``family`` from the base's
row; ``arithmetic``, ``measured`` and ``published`` are what they say; ``asked`` was an option.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import ceil
from statistics import median_low

from datasetkit import recipe, tokens
from datasetkit.buckets import Buckets, Size, buckets_for
from datasetkit.exporters.sums import batches_an_epoch, repeats_of
from datasetkit.families import SUPPORTED, Family
from datasetkit.inspectors.planning.memory import Need, Use, file_bytes, needed
from datasetkit.inspectors.planning.survey import CHARACTER, SOME, STYLE, Survey
from datasetkit.recipe import ENOUGH, PLENTY, USUAL

FEW, MANY = ENOUGH, PLENTY
SPARSE = 1.2  # so many times the full batches, from which buckets are said to be sparse
_AIMS = {CHARACTER: (1500, 2000, 3000), STYLE: (2000, 3000, 3000)}  # steps: few, some, many
EACH = 150  # times that a picture is shown at the most
ROUNDS = range(8, 15)  # epochs: as many files to choose from
_CHUNK_MOST = tokens.CHUNKS[-1]


@dataclass(frozen=True, slots=True)
class Number:
    """One number of a training: its name, its value, why it is so, and how that is known."""

    name: str
    value: str
    why: str
    known: str


@dataclass(frozen=True)
class Asked:
    """What a person said; 0 and "" leave it to the plan."""

    family: Family
    memory: float  # of the card, in GB
    kind: str = ""
    steps: int = 0  # pictures shown, all epochs together
    epochs: int = 0
    batch: int = 0
    resolution: int = 0


@dataclass(frozen=True)
class Training:
    """A training worked out for a set: figures as properties, reasons by :meth:`numbers`."""

    asked: Asked
    seen: Survey
    batch: int
    lean: bool  # gradient checkpointing
    low: bool = False  # ``dsk repeats --low-memory``

    @property
    def ours(self) -> bool:
        """Whether ``dsk train`` can do it."""
        return self.asked.family.shape in SUPPORTED

    @cached_property
    def kind(self) -> tuple[str, str]:
        """Character or style, and how that is known."""
        return (self.asked.kind, "--kind says so") if self.asked.kind else self.seen.kind()

    @property
    def resolution(self) -> int:
        """Side in pixels of the square whose area pictures have."""
        return self.asked.resolution or self.asked.family.resolution

    @property
    def buckets(self) -> Buckets:
        """The sizes that pictures are brought to."""
        return buckets_for(self.resolution)

    @cached_property
    def _rounds(self) -> tuple[int, int]:
        """Repeats and epochs that come nearest to what is to be shown."""
        count = self.seen.pictures
        views = Fraction(self.asked.steps or min(self.aim * self.batch, EACH * count))
        if self.asked.epochs:
            rounds = [self.asked.epochs]
        elif views < ROUNDS[0] * count:
            return 1, max(1, round(views / count))
        else:
            usual = USUAL.epochs
            rounds = sorted(ROUNDS, key=lambda number: (abs(number - usual), number))
        choices = [(repeats_of([count], [Fraction(1)], ceil(views), n)[0], n) for n in rounds]
        return min(choices, key=lambda pair: abs(pair[0] * pair[1] * count - views))

    @property
    def aim(self) -> int:
        """Steps that the recipes would have."""
        few, some, many = _AIMS[self.kind[0]]
        count = self.seen.pictures
        return few if count < FEW else some if count <= MANY else many

    @property
    def repeats(self) -> int:
        """How often a picture is shown in an epoch."""
        return self._rounds[0]

    @property
    def epochs(self) -> int:
        """How often everything is seen."""
        return self._rounds[1]

    @property
    def views(self) -> int:
        """Pictures shown, all epochs together: what ``dsk repeats`` calls steps."""
        return self.seen.pictures * self.repeats * self.epochs

    @cached_property
    def in_buckets(self) -> dict[Size, int]:
        """Pictures of an epoch by bucket."""
        return dict(self.seen.buckets(self.buckets, self.repeats))

    @cached_property
    def batches(self) -> int:
        """Batches of an epoch, as kohya counts them."""
        return batches_an_epoch(self.in_buckets, self.batch)

    @property
    def steps(self) -> int:
        """Steps of the optimiser."""
        return self.batches * self.epochs

    @property
    def sparse(self) -> bool:
        """Say whether many batches are short."""
        return self.batches > SPARSE * ceil(self.seen.pictures * self.repeats / self.batch)

    @property
    def alone(self) -> int:
        """Buckets with one picture."""
        return sum(count == self.repeats for count in self.in_buckets.values())

    @property
    def rank(self) -> int:
        """The inner width of the LoRA."""
        if self.seen.pictures < FEW:
            return USUAL.rank // 2
        return USUAL.rank * 2 if self.kind[0] == STYLE else USUAL.rank

    @property
    def text_rate(self) -> float:
        """The learning rate of the text encoder; 0 trains the UNet only."""
        return USUAL.text_lr if self.ours else 0.0

    @property
    def keep(self) -> int:
        """First tags that stay in place, as ``dsk repeats`` takes it of all pictures."""
        return min((number or USUAL.keep_tokens) for number in self.seen.fixed)

    @property
    def min_snr(self) -> float:
        """Min-SNR's gamma; 0 is off."""
        return recipe.min_snr(self.asked.family)

    @property
    def chunk(self) -> int:
        """Tokens that are read of a caption."""
        longest = self.seen.longest
        return next((c for c in tokens.CHUNKS if longest <= c), _CHUNK_MOST)

    @property
    def flip(self) -> bool:
        """Whether half of the pictures are mirrored."""
        seen = self.seen
        middle = median_low(sorted(seen.tags.elements()))
        told = middle >= 8  # tags: fewer cannot be asked what they do not name
        return seen.pictures < FEW and told and seen.several < SOME * seen.pictures

    def use(self, half: bool = True) -> Use:
        """What its memory depends on."""
        return Use(
            shape=self.asked.family.shape,
            rank=self.rank,
            resolution=self.resolution,
            batch=self.batch,
            text=bool(self.text_rate),
            chunks=self.chunk // tokens.CHUNKS[0],
            lean=self.lean,
            half=half,
            low=self.low,
        )

    @property
    def need(self) -> Need:
        """The memory that it takes, in half precision."""
        return needed(self.use())

    @property
    def fits(self) -> bool:
        """Say whether it surely fits on the card."""
        return self.need.most <= self.asked.memory

    @property
    def file_bytes(self) -> int:
        """The size of one epoch's file."""
        return file_bytes(self.use().shape, self.rank, bool(self.text_rate), USUAL.precision)


def worked_out(asked: Asked, seen: Survey) -> Training:
    """The training with the largest batch of the recipes that surely fits, or the leanest.

    Checkpointing costs a third of the time, so a smaller batch of two or more goes before it; it
    goes before a batch of one. kohya's settings for SDXL always have it; those for little memory
    are taken last, for they forbid the shuffle of tags.
    """
    start = Training(asked, seen, 1, lean=False)
    many = seen.pictures > MANY or start.kind[0] == STYLE
    batches = [asked.batch] if asked.batch else [4, 2] if many and seen.pictures >= FEW else [2]
    tries = [(batch, False, False) for batch in batches] if start.ours else []
    leaner = batches if asked.batch else [*batches, 1]
    tries += [(batch, True, False) for batch in leaner]
    tries += [] if start.ours else [(batch, True, True) for batch in leaner]
    for batch, lean, low in tries:
        found = replace(start, batch=batch, lean=lean, low=low)
        if found.fits and not (found.sparse and not asked.batch and batch > 2):
            return found
    return found
