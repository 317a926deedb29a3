"""What MkDocs does beside reading docs/: pages for files that stand elsewhere in the checkout, and for the notebook."""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter

ROOT = Path(__file__).parents[1]
# File of the checkout → page of the site.
PAGES = {
    "README.md": "readme.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "weaknesses.md",
    "warehouse/data/README.md": "data.md",
    "CITATION.cff": "CITATION.cff",
    "docs/notebook.ipynb": "notebook.md",
}
DOCS = ROOT / "docs"
NOTEBOOK = DOCS / "notebook.ipynb"
LINK = re.compile(r"(?<=\]\()([^)#\s]+)(?=[)#])")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, and the notebook with its pictures instead of the file that Jupyter opens."""
    for source, page in PAGES.items():
        if ROOT / source != NOTEBOOK:
            text = led((ROOT / source).read_text(encoding="utf-8"), (ROOT / source).parent, page)
            files.append(File.generated(config, page, content=text))
    text, found = MarkdownExporter().from_filename(str(NOTEBOOK))
    for name, picture in found["outputs"].items():
        text = text.replace(f"({name})", f"(notebook/{name})")
        files.append(File.generated(config, f"notebook/{name}", content=picture))
    files.append(File.generated(config, "notebook.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to files of the checkout to their pages."""
    return led(markdown, (DOCS / page.file.src_uri).parent, page.file.src_uri)


def led(text: str, folder: Path, page: str) -> str:
    """A text of a folder as a page of the site: links to files that are pages lead there, all others stay as they are."""

    def link(found: re.Match[str]) -> str:
        target = (folder / found[1]).resolve()
        if "://" in found[1] or not target.exists() or ROOT not in target.parents:
            return found[1]
        inside = PAGES.get(str(target.relative_to(ROOT)), str(target.relative_to(ROOT)).removeprefix("docs/"))
        return posixpath.relpath(inside, posixpath.dirname(page))

    return LINK.sub(link, text)
