"""The report as people get it: one file that loads nothing, says what is there, and escapes it."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from datasetkit.content import content_print
from datasetkit.dataset import Dataset, Step
from datasetkit.dataset.lines import Line
from datasetkit.engines.local import run_leg
from datasetkit.errors import DatasetError, UsageError
from datasetkit.inspectors.plan import Plan
from datasetkit.inspectors.report import page as page_module
from datasetkit.inspectors.report.charts import histogram
from datasetkit.inspectors.report.gather.origins import Origins
from datasetkit.inspectors.report.page import MARK
from datasetkit.inspectors.report.report import Report
from datasetkit.pixels import Picture
from datasetkit.record import Origin, Record, Tag
from datasetkit.stage import Note, Work, Wrote
from datasetkit.tags import to_caption
from tests.inspectors.report.html_tree import Node, Parsed

Draw = Callable[..., Path]
HOSTILE = (
    "<script>alert(1)</script>", '"><img_src=x_onerror=alert(1)>', "'_autofocus_onfocus='x",
    "\u202ereversed", "שלום", "🎀", "&lt;b&gt;", "{{_7*7_}}", "</style><style>",
)  # fmt: skip
LOADS = {
    ("img", "src"), ("script", "src"), ("link", "href"), ("iframe", "src"), ("object", "data"),
    ("image", "href"), ("use", "href"), ("source", "src"), ("video", "src"), ("audio", "src"),
}  # fmt: skip


@pytest.fixture
def make(tmp_path: Path, draw: Draw) -> Callable[..., Path]:
    """Make a dataset of drawn pictures: of each record its tags, its size and its origin."""

    def made(*records: Record, calls: list[dict[str, Line]] | None = None) -> Path:
        folder = tmp_path / "set"
        with (
            Dataset(folder, write=True) as dataset,
            Step(dataset, calls or [{"folder": {"path": "/home/somebody/pictures"}}]) as step,
        ):
            for number, record in enumerate(records):
                file = record.picture.path.name
                staged = draw(dataset.draft(file), record.picture.size, seed=number)
                step.put(
                    Record(
                        record.key,
                        Picture(folder / file, record.picture.size),
                        record.tags,
                        record.origin,
                        record.facts,
                    ),
                    staged,
                )
        return folder

    return made


def picture(
    key: str, *tags: str | Tag, size: tuple[int, int] = (40, 60), **origin: object
) -> Record:
    told = tuple(tag if isinstance(tag, Tag) else Tag(tag) for tag in tags)
    return Record(key, Picture(Path(f"{key}.png"), size), told, Origin(**origin))  # type: ignore[arg-type]


def run(folder: Path, **options: object) -> list[Work]:
    with Dataset(folder, write=True) as dataset:
        return list(Report(**options)(dataset))  # type: ignore[arg-type]


def read(folder: Path, **options: object) -> Node:
    wrote = [work for work in run(folder, **options) if isinstance(work, Wrote)]
    return Parsed(wrote[0].path.read_text(encoding="utf-8")).root


def rows(page: Node, title: str) -> dict[str, tuple[int, float]]:
    """A list of the page: by label its number and its bar's length."""
    (figure,) = [f for f in page.all("figure") if f.one("figcaption").text == title]
    return {
        row.one("th").text.strip(): (
            int(row.one("td", class_="number").text.replace(",", "")),
            float(row.one("td", class_="bar").one("rect").attributes["width"].rstrip("%")),
        )
        for row in figure.all("tr")
    }


def sections(page: Node) -> list[str]:
    return [heading.text for heading in page.all("h2")]


def test_the_numbers_are_those_of_the_set(make: Callable[..., Path]) -> None:
    """Each list says what is there, and its bars are as long as it says."""
    folder = make(
        picture("a", Tag("miku", "character"), "solo", "smile", site="danbooru", rating="g",
                score=12, posted="2020-03-01T10:00:00+00:00"),
        picture("b", Tag("miku", "character"), "solo", Tag("ann", "artist"), site="danbooru",
                rating="g", score=40, posted="2020-05-01T10:00:00+00:00"),
        picture("c", "solo", Tag("ann", "artist"), site="gelbooru", rating="s", score=-3,
                posted="2020-05-09T10:00:00+00:00", size=(64, 32)),
        picture("d", size=(64, 32)),
    )  # fmt: skip
    page = read(folder)
    assert rows(page, "general") == {"solo": (3, 75), "smile": (1, 25)}
    assert rows(page, "character") == {"miku": (2, 50)}
    assert rows(page, "artist") == {"ann": (2, 50), "nobody named": (2, 50)}
    assert rows(page, "site") == {"danbooru": (2, 50), "gelbooru": (1, 25), "folder": (1, 25)}
    assert rows(page, "rating") == {"general": (2, 50), "sensitive": (1, 25), "not told": (1, 25)}
    assert {n for n, _ in rows(page, "buckets at 512 px").values()} == {2}
    figures = {f.one("dt").text: f.one("dd").text for f in page.one("dl").all("div")}
    assert figures["pictures"] == "4" and figures["with a caption"] == "3"
    assert sorted(cell.attributes["data-score"] for cell in page.all("li", class_="cell")) == [
        "", "-3", "12", "40",
    ]  # fmt: skip


def test_columns_add_up_and_stand_as_high_as_they_say(make: Callable[..., Path]) -> None:
    scores = [1, 2, 2, 3, 40, 41, 90, 90, 90, 300]
    folder = make(
        *(picture(f"p{n}", "solo", site="danbooru", score=s) for n, s in enumerate(scores))
    )
    page = read(folder)
    (chart,) = [f for f in page.all("figure") if f.one("figcaption").text == "score"]
    columns = chart.all("rect")
    numbers = [int(rect.one("title").text.rpartition(": ")[2]) for rect in columns]
    assert sum(numbers) == len(scores)
    heights = [float(rect.attributes["height"]) for rect in columns]
    assert all(
        abs(high / number - heights[0] / numbers[0]) < 0.1
        for high, number in zip(heights, numbers, strict=True)
    )
    assert "median 40" in chart.text


def test_what_is_never_below_0_is_not_said_to_be() -> None:
    chart = histogram("tokens", {5: 7, 60: 2, 16_889: 1}, mark=(75, "75"))
    assert chart
    assert chart.columns[0].label == "0 to 75"
    assert chart.columns[0].number == 9
    assert chart.ticks[0].text == "0"
    below = histogram("score", {-40: 1, 3: 2, 900: 1})
    assert below
    assert below.ticks[0].text.startswith("-")


def test_a_date_that_is_none_makes_no_chart_of_empty_years() -> None:
    origins = Origins()
    for posted in ("0001-01-01", "9999-12-31", "2020-13-01", "2024-01-05", "2024-02-05T00:00:00Z"):
        origins.add(picture("one", posted=posted))
    chart = origins.dates()
    assert chart
    assert [(column.label, column.number) for column in chart.columns] == [
        ("2024-01", 1), ("2024-02", 1),
    ]  # fmt: skip
    assert chart.note == "known of 2 of 5"


def test_one_file_that_loads_nothing(make: Callable[..., Path]) -> None:
    """No address is asked for, the policy forbids it, and the small pictures are inside."""
    folder = make(picture("a", "solo", site="danbooru", source="https://example.com/x"))
    text = (folder / "report.html") if run(folder) else folder
    page = Parsed(text.read_text(encoding="utf-8")).root
    for node in page.walk():
        for name, value in node.attributes.items():
            if (node.tag, name) in LOADS:
                assert value.startswith("data:"), (node.tag, value[:40])
            assert not name.startswith("on") and name != "style"
    assert page.one("img").attributes["src"].startswith("data:image/webp;base64,")
    style = page.one("style").text
    assert "url(" not in style and "@import" not in style
    policy = page.one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert page_module._hash(style) in policy
    assert page_module._hash(page.one("script").text) in policy


def test_what_others_wrote_is_text(make: Callable[..., Path], draw: Draw) -> None:
    """Tags, keys, reasons and options are shown as they stand, and do nothing."""
    records = [
        picture(f"p{n} <b>&", Tag(name), Tag(name + "_by", "artist"), "solo", site="<i>site</i>")
        for n, name in enumerate(HOSTILE)
    ]
    folder = make(*records, calls=[{"grab": {"query": "<u>query</u>", "where": '"</li>'}}])
    with Dataset(folder, write=True) as dataset, Step(dataset, [{"filter": {}}]) as step:
        step.reject(dataset.records[0], "filter", "</p><script>alert(2)</script>: <s>so</s>")
    page = read(folder)
    assert len(page.all("script")) == 1 and len(page.all("style")) == 1
    assert {"u", "s"}.isdisjoint(node.tag for node in page.walk())
    assert [node.text for node in page.all("b")] == ["grab", "filter"]
    labels = rows(page, "general")
    for name in HOSTILE[1:]:
        assert to_caption(name).strip() in {label.strip() for label in labels}
    links = page.all("a", **{"data-look": '"><img src=x onerror=alert(1)>'})
    assert len(links) == 1
    assert "<u>query</u>" in page.one("section", id="history").text
    assert "</p><script>alert(2)</script>" in page.one("section", id="left-out").text
    for cell in page.one("ul", id="sheet").all("li"):
        assert (
            cell.one("a").attributes["href"].startswith("p")
            and "<" in cell.one("p", class_="name").text
        )


def test_a_text_that_runs_from_the_right_turns_only_itself(make: Callable[..., Path]) -> None:
    folder = make(picture("a", "solo", "\u202ereversed", "smile"))
    words = read(folder).one("span", class_="words")
    assert [node.text for node in words.all("bdi")] == ["\u202ereversed"]
    assert words.text.strip() == "solo, \u202ereversed, smile"


def test_what_is_not_known_is_not_shown(gallery: Path, dsk: Callable[..., object]) -> None:
    """A folder tells no scores, dates, sites; there are no empty charts, and no empty sections."""
    dsk("folder", gallery, "-d", "set")
    page = read(gallery.parent / "set")
    assert sections(page) == ["Pictures", "What they show", "Tags", "Shapes", "What was run"]
    orders = [option.attributes["value"] for option in page.one("select").all("option")]
    assert orders == ["", "key"]
    assert all(figure.all("tr") or figure.all("rect") or figure.all("circle")
               for figure in page.all("figure"))  # fmt: skip


def test_one_bare_picture(make: Callable[..., Path]) -> None:
    page = read(make(picture("a")))
    assert sections(page) == ["Pictures", "Shapes", "What was run"]
    assert "✗ The one picture has no caption (a)" in page.one("ul", class_="remarks").text
    assert page.one("ul", id="sheet").one("p", class_="remark").text == "no caption"


def test_what_the_check_finds_stands_out(
    make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its words, with the command that mends it; each thing once, and nothing decoded for it."""
    records = [picture(f"p{n}", Tag("mia", "trigger"), "solo", size=(600, 600)) for n in range(8)]
    records[3] = picture("p3", "solo", size=(100, 100))
    records[4] = picture("p4", size=(600, 600))
    folder = make(*records)
    monkeypatch.setattr("datasetkit.cleaners.sets.dedupe.fingerprints", None)  # who looks falls
    page = read(folder)
    remarks = [" ".join(item.text.split()) for item in page.one("ul", class_="remarks").all("li")]
    assert "! 8 pictures are few: guides advise 30 to 300 different ones" in remarks
    for words in (
        "✗ 1 of 8 pictures has no caption (p4) dsk tag -d set",
        "✗ 1 of 8 pictures lacks the trigger 'mia' (p3) dsk clean --only --first mia -d set",
        "would be enlarged to twice its sides or more, and blurs (p3: 4% of 512x512) dsk filter",
        "and pictures that are alike dsk check -d set",
    ):
        assert sum(words in remark for remark in remarks) == 1, (words, remarks)
    marks = "".join(remark[0] for remark in remarks)
    assert marks.lstrip("✗").lstrip("!").lstrip("✓") == "N"  # not looked for: no tick before it
    signs = [item.attributes for item in page.one("ul", class_="remarks").all("span", role="img")]
    assert signs[0]["aria-label"] == "wrong"


def test_a_name_that_leads_a_sentence_keeps_its_letters(make: Callable[..., Path]) -> None:
    tags = [Tag("mia", "trigger"), "solo", "standing", "outdoors"]
    records = [picture(f"p{n}", *tags, size=(600, 600)) for n in range(12)]
    records[3] = picture("p3", *tags[:3], Tag("outdors", by=("folder",)), size=(600, 600))
    page = read(make(*records))
    text = page.one("ul", class_="remarks").text
    assert "'outdors' stands on one picture only" in text
    assert (
        "text-transform" not in page.one("style").text.partition(".remarks")[2].split(".tools")[0]
    )


def test_the_same_set_makes_the_same_bytes(make: Callable[..., Path]) -> None:
    """Also after the looks themselves were noted in the history; a change makes another page."""
    folder = make(picture("a", "solo"), picture("b", "solo", score=4, site="danbooru"))
    pages = []
    for stage in (Report(), Plan(), Report()):
        with Dataset(folder, write=True) as dataset:
            outcome = run_leg(dataset, [stage], lambda event: None)
        pages.append((folder / "report.html").read_bytes())
    assert len(set(pages)) == 1 and not outcome.written
    (folder / "a.txt").write_text("solo, smile")
    run(folder)
    assert (folder / "report.html").read_bytes() != pages[0]


@pytest.mark.parametrize("content", [b"", b"<!doctype html>\n<p>mine", b"x" * 500])
def test_a_file_that_is_no_report_is_left_alone(make: Callable[..., Path], content: bytes) -> None:
    folder = make(picture("a", "solo"))
    (folder / "report.html").write_bytes(content)
    with pytest.raises(DatasetError, match="no report of dsk"):
        run(folder)
    assert (folder / "report.html").read_bytes() == content


def test_a_link_is_not_followed(make: Callable[..., Path], tmp_path: Path) -> None:
    folder = make(picture("a", "solo"))
    (tmp_path / "elsewhere.html").write_bytes(MARK)
    (folder / "report.html").symlink_to(tmp_path / "elsewhere.html")
    with pytest.raises(DatasetError, match="no report of dsk"):
        run(folder)
    assert (tmp_path / "elsewhere.html").read_bytes() == MARK


def test_options_that_make_no_sense_are_refused(make: Callable[..., Path], tmp_path: Path) -> None:
    folder = make(picture("a", "solo"))
    with pytest.raises(UsageError, match=r"call it .*a\.html"):
        run(folder, out=str(folder / "a.png"))
    with pytest.raises(UsageError, match="is a folder"):
        run(folder, out=str(tmp_path))
    with pytest.raises(UsageError, match="did you mean 'sdxl'"):
        run(folder, family="sdx")
    with pytest.raises(UsageError, match=r"no picture fulfils 'soli'.*did you mean 'solo'"):
        run(folder, where="soli")


def test_elsewhere_and_of_a_part(make: Callable[..., Path], tmp_path: Path) -> None:
    """A page that lies elsewhere has no links to files; a filter says of what it speaks."""
    folder = make(picture("a", "solo"), picture("b", "duo"))
    page = read(folder, out=str(tmp_path / "new" / "page.html"), where="solo")
    assert not page.one("ul", id="sheet").all("a")
    assert "solo holds" in page.one("p", class_="about").text
    assert rows(page, "general") == {"solo": (1, 100)}


def test_of_many_some_are_shown_and_all_are_counted(make: Callable[..., Path]) -> None:
    folder = make(*(picture(f"p{n:02}", "solo") for n in range(20)))
    said = [work.text for work in run(folder, most=5) if isinstance(work, Note)]
    assert said[-1].startswith("5 of 20 pictures are shown on a page of ")
    page = Parsed((folder / "report.html").read_text(encoding="utf-8")).root
    keys = [cell.attributes["data-key"] for cell in page.one("ul", id="sheet").all("li")]
    assert keys == ["p00", "p04", "p08", "p12", "p16"]
    assert rows(page, "general") == {"solo": (20, 100)}


def test_what_was_left_out_and_for_whom(make: Callable[..., Path]) -> None:
    """Reasons with their pictures, and twins beside the one that stays, with what hides parts."""
    folder = make(*(picture(f"p{n}", "solo") for n in range(6)))
    with Dataset(folder, write=True) as dataset, Step(dataset, [{"dedupe": {}}]) as step:
        records = list(dataset.records)
        step.reject(records[1], "dedupe", "same picture as p0")
        step.reject(records[2], "dedupe", "variant of p0")
        step.reject(records[3], "filter", "small: 40x60, 512 is the least side")
        step.reject(records[4], "filter", "small: 40x60, 512 is the least side")
        mask = {"mask": [[1, 2, 11, 22]], "size": [40, 60]}
        mask["print"] = content_print(records[0].picture)
        step.put(records[0].with_facts("text", mask))
    (folder / ".dsk/rejected/p4.png").unlink()
    page = read(folder)
    titles = [row.one("h3").text for row in page.one("section", id="left-out").all("section")]
    assert [" ".join(title.split()) for title in titles] == [
        "small 2 filter", "a variant of another 1 dedupe", "the same picture as another 1 dedupe",
    ]  # fmt: skip
    small = page.one("section", id="left-out").all("li", class_="cell")
    assert [cell.one("p", class_="name").text for cell in small] == ["p3", "p4"]
    assert "512 is the least side" in small[0].text and small[1].one("em").text == "no file"
    twins = page.one("section", id="twins").all("li", class_="cell")
    said = [(c.one("p", class_="name").text, c.one("p", class_="remark").text) for c in twins]
    assert said == [("p0", "stays"), ("p1", "same"), ("p2", "variant")]
    hidden = page.one("ul", id="sheet").one("svg", class_="hidden-parts").one("rect").attributes
    assert hidden == {"x": "1", "y": "2", "width": "10", "height": "20"}
    assert "hidden from training" in page.one("section", id="pictures").text


def test_the_safety_rules_hold(make: Callable[..., Path]) -> None:
    """What is refused is counted: neither its picture nor its tags are shown, kept or left out."""
    folder = make(
        picture("a", "solo"), picture("b", "loli", "hidden_tag"), picture("c", "loli", "out_tag")
    )
    with Dataset(folder, write=True) as dataset, Step(dataset, [{"filter": {}}]) as step:
        step.reject(dataset.records[2], "filter", "small: 2x2")
    notes = [work.text for work in run(folder) if isinstance(work, Note)]
    assert notes[0] == "1 picture is left out by the safety rules"
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "hidden tag" not in text and "out tag" not in text and "loli" not in text
    assert text.count("<img") == 1


def test_a_broken_picture_is_said_and_stops_nothing(make: Callable[..., Path]) -> None:
    folder = make(picture("a", "solo"), picture("b", "solo"))
    (folder / "a.png").write_bytes((folder / "a.png").read_bytes()[:60])
    page = read(folder)
    assert len(page.all("img")) == 1
    assert page.one("ul", id="sheet").one("em").text.startswith("broken picture")


def test_what_was_run_and_no_path_of_this_machine(make: Callable[..., Path]) -> None:
    calls: list[dict[str, Line]] = [
        {"folder": {"path": ["/home/somebody/pictures", "C:\\Users\\somebody\\more"]}},
        {"crop": {"ratio": 2, "whole": True}},
    ]
    page = read(make(picture("a", "solo"), calls=calls))
    text = " ".join(page.one("section", id="history").text.split())
    assert "somebody" not in text and "…/pictures, …/more" in text
    assert "crop ratio 2 whole yes" in text and "1 added" in text


def _contrast(one: str, other: str) -> float:
    """WCAG 2.1's contrast of two colours, #rrggbb."""

    def light(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_colours_can_be_told_apart_in_the_light_and_in_the_dark() -> None:
    """Text has a contrast of 4.5 to its ground, what is drawn one of 3 (WCAG 1.4.3, 1.4.11)."""
    style = page_module._text("page.css")
    themes = [
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block))
        for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    ]
    assert len(themes) == 2
    for colours in themes:
        for ground in ("paper", "well"):
            for text in ("ink", "muted", "accent", "flag", "fine"):
                assert _contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        for drawn in ("bar", "flag", "edge"):
            assert _contrast(colours[drawn], colours["paper"]) >= 3, drawn


def test_the_page_is_small_whatever_the_captions_hold(make: Callable[..., Path]) -> None:
    long = [f"{'x' * 280}_{n}" for n in range(60)]
    folder = make(*(picture(f"p{n}", *long) for n in range(30)))
    run(folder, most=3)
    assert (folder / "report.html").stat().st_size < 60_000
    assert Counter((folder / "report.html").read_text())["…"] >= 3
