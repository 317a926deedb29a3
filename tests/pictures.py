"""The pictures of the README and the preview of links, taken anew from the results that ship: `python -m tests.pictures`.

A page with an error is no picture.
"""

import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from prompt_joules.pages.ui import head
from tests import warehouses
from tests.e2e.conftest import Visitor, installed, watched
from tests.servers import ROOT, served

WIDE = 1366
SIDEBAR = 300
# File in docs/images → the view, and how high its picture is (px).
PICTURES = {"home": ("", 1290), "software": ("what_software_saves", 900), "verbosity": ("verbosity?source=Prompt+Joules", 1040)}


def take(address: str, into: Path) -> None:
    """Open every view in a browser of its own and keep what a visitor sees first."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed(), args=["--no-sandbox"])

        def visit(wide: int, high: int) -> Visitor:
            return Visitor(watched(browser.new_page(viewport={"width": wide, "height": high})), address)

        for name, (view, high) in PICTURES.items():
            visitor = visit(WIDE, high).open(view)
            assert_drawn(visitor)
            visitor.page.screenshot(path=into / f"{name}.png")
            shrink(into / f"{name}.png")
        wide, high = head.PICTURE_SIZE
        take_preview(visit(SIDEBAR + wide, high))
        browser.close()


def assert_drawn(visitor: Visitor) -> None:
    """The page has no error, and a chart: a page that says what to run instead has none."""
    visitor.assert_sound()
    assert visitor.page.locator("[data-testid=stVegaLiteChart]").count(), visitor.page.url


def take_preview(visitor: Visitor) -> None:
    """Home without its sidebar, in the size that previews of links have."""
    assert_drawn(visitor.open(""))
    wide, high = head.PICTURE_SIZE
    visitor.page.screenshot(path=head.PICTURE, clip={"x": SIDEBAR, "y": 0, "width": wide, "height": high})
    shrink(head.PICTURE)


def shrink(path: Path) -> None:
    """Save a PNG in 256 colours, a third of its bytes: these pictures have few."""
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def main() -> None:
    """Load what ships, serve it, take the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Path(folder) / "warehouse.duckdb"
        warehouses.ingest(warehouses.SHIPPED, into=warehouse)
        with served(warehouse) as server:
            take(server.address, ROOT / "docs" / "images")


if __name__ == "__main__":
    main()
