"""Every relative link in the documents leads somewhere: to a file, and to a heading in it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "sql/README.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("benchmarks/*.md")),
]


def prose(document: Path) -> str:
    """Return the text without its blocks of code."""
    return re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(document: Path) -> set[str]:
    """Return the names that GitHub gives the headings."""
    found: dict[str, int] = {}
    names = set()
    for heading in re.findall(r"^#+ +(.*?)\s*$", prose(document), re.MULTILINE):
        said = re.sub(r"\[(.*?)\]\(.*?\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", said).replace(" ", "-")
        names.add(f"{name}-{found[name]}" if name in found else name)
        found[name] = found.get(name, 0) + 1
    return names


def broken(document: Path) -> list[str]:
    text = re.sub(r"`[^`\n]+`", "`code`", prose(document))
    links = re.findall(r"\]\(\s*<?([^)>\s]+)", text) + re.findall(r"^\[[^\]]+\]:\s*(\S+)", text, re.MULTILINE)
    wrong = []
    for link in links:
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if re.match(r"[a-z]+:", link):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    assert broken(document) == []


def test_one_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    document = tmp_path / "here.md"
    document.write_text(
        "# What `f(x)` does, in *short*\n\n[a](#what-fx-does-in-short) [b](#nowhere) [c](gone.md) [d](here.md)\n"
        "[e](https://example.org/x#y) [f](here.md#what-fx-does-in-short)\n\n```\n[g](neither.md)\n```\n"
    )
    assert broken(document) == ["#nowhere", "gone.md"]
