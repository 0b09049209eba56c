"""Sphinx builds the documentation from the Markdown files of the repository, as they are shown on GitHub.

    sphinx-build -c docs -b html . OUT      # the site; its first page is OUT/docs/index.html
    sphinx-build -c docs -b man . OUT       # the guides as man pages of section 7; those of commands are in docs/man

The lists of docs/index.md, and of docs/zh/index.md for the pages in Chinese, are the table of contents.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from capnet import __version__  # noqa: E402

project = "capnet"
author = "The capnet authors"
copyright = "2026 The capnet authors. MIT licence"
release = version = __version__

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "docs/index"
include_patterns = [
    "*.md",
    "docs/*.md",
    "docs/**/*.md",
    "pcaps/*.md",
    "tests/*.md",
    "tests/wire/*.md",
    "tests/bench/*.md",
    "tests/live/*.md",
    "tests/record/saved/*.md",
]
exclude_patterns = [".*", "build", "dist"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"capnet {__version__}"
html_show_sphinx = False
html_copy_source = False
html_static_path = ["site"]
html_css_files = ["site.css"]

man_pages = [
    ("docs/tutorial", "capnet-tutorial", "Docker's seven network models, packet by packet", author, 7),
    ("docs/zh/tutorial", "capnet-tutorial-zh", "Docker 的七种网络模型", author, 7),
    ("docs/findings", "capnet-findings", "what each finding of capnet means", author, 7),
    ("docs/models", "capnet-models", "how capnet tells network models", author, 7),
    ("docs/limits", "capnet-limits", "what capnet reads and decodes, and where it stops", author, 7),
    ("docs/report", "capnet-report", "the JSON report of capnet", author, 5),
    ("docs/topology", "capnet-topology-file", "who owns which address, as JSON", author, 5),
]

_CHINESE = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef\u201c\u201d]")  # characters and their marks


def add_contents(app: Sphinx, docname: str, source: list[str]) -> None:
    """Makes a table of contents of each list of links below a heading of docs/index.md and docs/zh/index.md."""
    if docname not in (root_doc, "docs/zh/index"):
        return
    for section in re.split(r"^## ", source[0], flags=re.MULTILINE)[1:]:
        heading = section.partition("\n")[0]
        pages = re.findall(r"^- \[([^]]*)\]\(([^)#]+)\.md\)", section, re.MULTILINE)
        entries = "\n".join(f"{title} <{page}>" for title, page in pages)
        source[0] += f"\n\n```{{toctree}}\n:hidden:\n:caption: {heading}\n\n{entries}\n```\n"


def join_chinese_lines(app: Sphinx, doctree: nodes.document) -> None:
    """Leaves out ends of lines between Chinese characters, for which a browser would show a space."""
    for paragraph in {end.parent for end in doctree.findall(nodes.Text) if end == "\n"}:
        for place in range(len(paragraph) - 2, 0, -1):
            before, end, behind = (node.astext() for node in paragraph[place - 1 : place + 2])
            if end == "\n" and _CHINESE.match(before[-1:]) and _CHINESE.match(behind[:1]):
                del paragraph[place]


def drop_links_to_folders(app: Sphinx, doctree: nodes.document) -> None:
    """Shows the text alone of a link to a folder: GitHub lists folders, the site has no page of them."""
    folder = (ROOT / app.env.docname).parent
    for link in list(doctree.findall(addnodes.pending_xref)):
        if (folder / str(link.get("reftarget"))).is_dir():
            link.replace_self(link.children)


def setup(app: Sphinx) -> None:
    """Connects the functions above."""
    app.connect("source-read", add_contents)
    app.connect("doctree-read", drop_links_to_folders)
    app.connect("doctree-read", join_chinese_lines)
