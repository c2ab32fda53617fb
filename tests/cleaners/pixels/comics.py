"""Drawn comics: strips and pages whose panels lie where a test says."""

from collections.abc import Sequence

from PIL import Image, ImageDraw

Area = tuple[int, int, int, int]

GRID: list[Area] = [
    (20, 20, 240, 330), (255, 20, 480, 330), (20, 350, 240, 680), (255, 350, 480, 680),
]  # fmt: skip
STRIP: list[Area] = [(10, 40 + 210 * n, 170, 240 + 210 * n) for n in range(4)]


def panel(size: tuple[int, int], seed: int, frame: str | None = "black") -> Image.Image:
    """A face and a bubble in a frame, each number with colours of its own."""
    width, height = size
    image = Image.new("RGB", size, ("skyblue", "mistyrose", "honeydew", "white", "plum")[seed % 5])
    pen = ImageDraw.Draw(image)
    side = min(size) * 2 // 3
    hair = ("crimson", "navy", "seagreen", "orange", "purple")[seed % 5]
    left, top = (width - side) // 2, height - side - 8
    pen.ellipse((left, top, left + side, top + side), hair, "black", 3)
    pen.ellipse((left + 12, top + 20, left + side - 12, top + side - 6), "bisque", "black", 2)
    for x in (left + side // 3, left + side * 2 // 3):
        pen.ellipse((x - 5, top + side // 2 - 8, x + 5, top + side // 2 + 8), "black")
    pen.ellipse((6, 6, width // 3, height // 6), "white", "black", 2)
    if frame:
        pen.rectangle((0, 0, width - 1, height - 1), outline=frame, width=3)
    return image


def page(
    areas: Sequence[Area],
    size: tuple[int, int] = (500, 700),
    ground: str | tuple[int, ...] = "white",
    frame: str | None = "black",
    mode: str = "RGB",
) -> Image.Image:
    """A page with a panel in each of these areas."""
    image = Image.new(mode, size, ground)
    for number, (left, top, right, bottom) in enumerate(areas):
        image.paste(panel((right - left, bottom - top), number, frame), (left, top))
    return image


def strip(areas: Sequence[Area] = STRIP) -> Image.Image:
    """Four panels below each other, and a title above."""
    image = page(areas, (180, 900))
    ImageDraw.Draw(image).text((60, 12), "The fish", "black")
    return image


def figure(image: Image.Image, left: int, top: int, hair: str) -> None:
    """A figure of 100 by 200 pixels without anything around it."""
    pen = ImageDraw.Draw(image)
    pen.polygon(
        [(left + 50, top + 60), (left, top + 199), (left + 99, top + 199)], hair, "black", 2
    )
    pen.ellipse((left, top, left + 99, top + 99), hair, "black", 2)
    pen.ellipse((left + 15, top + 20, left + 84, top + 94), "bisque", "black", 2)
