"""The documentation as a site: it builds without a warning, its links lead somewhere, it loads nothing from a network, and it is not stale."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from docblocks import ROOT
from scripts import PIPELINES, load_script

LOADED = {
    "script": "src",
    "img": "src",
    "link": "href",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "object": "data",
    "use": "href",
}


@dataclass
class Page(HTMLParser):
    """What a built page refers to: anchors that it has, links, and what a browser loads with it."""

    text: str
    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids |= {value for name in ("id", "name") if (value := given.get(name))}
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        if tag in LOADED and given.get(LOADED[tag]) and given.get("rel") not in ("canonical", "prev", "next"):
            self.loads.append(str(given[LOADED[tag]]))
        self.loads += re.findall(r"url\((.*?)\)", given.get("style") or "")

    def error(self, message: str) -> None:
        raise AssertionError(message)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Page]:
    return {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}


def test_every_page_is_there_and_in_the_navigation(site, pages):
    built = {path.relative_to(site).with_suffix("").as_posix() for path in pages}
    written = {path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert built == written | {"404"}
    home = pages[site / "index.html"]
    assert {link.removesuffix(".html") for link in home.links if link.endswith(".html")} >= written - {"index"}


def broken(pages: dict[Path, Page]) -> list[str]:
    """Links and sources that lead to no file, or to no anchor of a page."""
    wrong = []
    for path, page in pages.items():
        for link in [*page.links, *page.loads]:
            parts = urlsplit(link)
            if parts.scheme or link.startswith("//") or path.name == "404.html":
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            fragment = unquote(parts.fragment)
            if not target.is_file():
                wrong.append(f"{path.name}: {link}")
            elif fragment and not fragment.startswith("__") and target in pages and fragment not in pages[target].ids:
                wrong.append(f"{path.name}: {link} has no such anchor")
    return wrong


def from_a_network(pages: dict[Path, Page]) -> list[str]:
    """What a browser would fetch for a page from elsewhere."""
    loads = [(path, link) for path, page in pages.items() for link in page.loads]
    return [f"{path.name}: {link}" for path, link in loads if urlsplit(link).scheme not in ("", "data") or link.startswith("//")]


def test_links_and_anchors_lead_somewhere(pages):
    assert not broken(pages)


def test_nothing_is_loaded_from_a_network(site, pages):
    assert not from_a_network(pages)
    for css in site.rglob("*.css"):
        text = css.read_text(encoding="utf-8")
        assert not re.search(r"@import|url\(\s*['\"]?(https?:)?//", text), css
    for svg in site.rglob("*.svg"):
        assert not re.search(r"""(href|src)=["'](https?:)?//""", svg.read_text(encoding="utf-8")), svg


def test_a_broken_link_a_missing_anchor_and_a_foreign_script_are_noticed(tmp_path):
    texts = {
        "a.html": '<h1 id="top"></h1><a href="b.html#here"></a><a href="b.html#gone"></a><a href="c.html"></a><a href="https://x.org/"></a>',
        "b.html": '<p id="here"></p><a href="a.html#top"></a><script src="https://cdn.x/y.js"></script><img src="//x/z.png"><img src="n.png">',
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    pages = {(tmp_path / name).resolve(): Page(text) for name, text in texts.items()}
    assert broken(pages) == ["a.html: b.html#gone has no such anchor", "a.html: c.html", "b.html: n.png"]
    assert from_a_network(pages) == ["b.html: https://cdn.x/y.js", "b.html: //x/z.png"]


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium, in which the built site is opened")
def test_in_a_browser_it_opens_from_the_disk_searches_and_asks_no_network(site):
    from playwright.sync_api import sync_playwright

    asked: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 400, "height": 800})
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: asked.append(f"error: {error}"))
        for name in ("index", "methods/low-rank", "reference/python", "validation"):
            page.goto((site / f"{name}.html").as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= 400, name  # only tables and blocks of code scroll sideways
        page.set_viewport_size({"width": 1280, "height": 800})
        page.goto((site / "index.html").as_uri())
        page.keyboard.press("/")
        page.keyboard.type("Satterthwaite")
        page.wait_for_selector(".md-search-result__link")
        assert "statistics.html" in (page.get_attribute(".md-search-result__link", "href") or "")
        browser.close()
    assert len(asked) > 20
    assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]


# ── what is written from the code ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def generator():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PIPELINES))
        yield load_script("make_docs")


def test_what_is_written_from_the_code_is_not_stale(generator):
    stale = [path.name for path, text in generator.made(ROOT / "docs").items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    assert not stale, f"{', '.join(stale)}: run python pipelines/make_docs.py"


def test_a_change_is_noticed_and_written(generator, tmp_path, monkeypatch, capsys):
    import json

    docs = tmp_path / "docs"
    shutil.copytree(ROOT / "docs", docs)
    monkeypatch.setattr(generator, "DOCS", docs)
    page = docs / "reference" / "study.md"
    written = page.read_text(encoding="utf-8")
    page.write_text(written.replace("The gain you would pay for", "Something else"), encoding="utf-8")
    (docs / "methods" / "lora.svg").unlink()
    assert generator.main(["--check"]) == 1
    assert json.loads(capsys.readouterr().out) == {"stale": ["docs/methods/lora.svg", "docs/reference/study.md"]}
    assert generator.main([]) == 0
    assert page.read_text(encoding="utf-8") == written and (docs / "methods" / "lora.svg").is_file()


def test_a_mark_without_a_part_is_an_error(generator):
    from docparts import marked

    assert marked.renewed("<!-- made: a -->\nold\n<!-- end -->", {"a": "new"}) == "<!-- made: a -->\n\nnew\n\n<!-- end -->"
    with pytest.raises(KeyError):
        marked.renewed("<!-- made: b -->\n<!-- end -->", {"a": "new"})
    assert marked.table(["a"], [["x|y"]]).endswith("| x\\|y |")


def test_every_command_and_option_is_in_the_reference(pages, site, generator):
    from docparts.commands import commands

    sections = pages[site / "reference" / "commands.html"].text.split("<h2 ")
    for name, command in commands():
        (section,) = [section for section in sections if section.split("\n")[0].startswith(f'id="{name.replace(" ", "-")}"')]
        for parameter in command.params:
            assert parameter.opts[0] == "--help" or parameter.param_type_name == "argument" or parameter.opts[0] in section


def test_every_key_of_a_study_says_what_it_is(generator):
    from ragft.armsettings import ArmSettings
    from ragft.cost import Prices
    from ragft.needs import NEEDS
    from ragft.prompts import Style
    from ragft.settings import Search, Study

    page = (ROOT / "docs" / "reference" / "study.md").read_text(encoding="utf-8")
    for model in (Study, ArmSettings, Search, Style, Prices):
        for name, key in model.model_fields.items():
            assert key.description, f"{model.__name__}.{name} has no description"
            assert f"| `{name}` |" in page
    assert all(f"| `{name}` |" in page for name in NEEDS)


def test_types_limits_and_defaults_are_said(generator):
    from docparts.keys import default_words, type_words

    from ragft.settings import Study

    fields = Study.model_fields
    assert (type_words(fields["margin"]), default_words(fields["margin"])) == ("number from 0 to 1", "`0.03`")
    assert (type_words(fields["alpha"]), default_words(fields["alpha"])) == ("number above 0 and below 0.5", "`0.025`")
    assert (type_words(fields["limit"]), default_words(fields["limit"])) == ("whole number from 1, or null", "none")
    assert (type_words(fields["domain"]), default_words(fields["domain"])) == ("text", "required")
    assert (type_words(fields["search"]), default_words(fields["costs"])) == ("search, or null", "as below")
    assert default_words(fields["arms"]) == "`[base, oracle, rag, lora, rag+lora, raft]`"
    assert default_words(fields["seeds"]) == "`[0, 1, 2]`"


def test_every_public_name_is_described(pages, site):
    """Under a heading of its own, with a docstring."""
    import ragft
    import ragft.plugins

    described = {}
    for section in pages[site / "reference" / "python.html"].text.split("<h3 ")[1:]:
        heading, _, rest = section.partition("</h3>")
        described[re.sub(r"<[^>]+>|&para;", "", heading.partition(">")[2]).strip()] = rest
    wanted = [f"{module.__name__}.{name}" for module in (ragft, ragft.plugins) for name in module.__all__]
    assert sorted(described) == sorted(wanted)
    assert [name for name in wanted if "<p>" not in described[name]] == []


def test_every_method_has_a_picture_an_equation_and_figures(pages, site, generator):
    from docparts.methods import PAGES

    from ragft import registry

    assert sorted(name for names in PAGES.values() for name in names) == sorted(registry.entries("tuning"))
    for page, names in PAGES.items():
        text = pages[site / "methods" / page.replace(".md", ".html")].text
        assert {name: missing(name, section_of(text, name)) for name in names} == {name: [] for name in names}


def section_of(page: str, name: str) -> str:
    """A built page from that heading to the next."""
    return page.split(f'<h2 id="{name}"')[1].split("<h2")[0]


def missing(name: str, section: str) -> list[str]:
    """What a method's section must have and has not."""
    wanted = ('<p class="equation">', f'src="{name}.svg"', "parameters trained", "score with passages")
    return [one for one in wanted if one not in section]


def test_a_method_without_an_equation_is_noticed(pages, site):
    """Those of the page's top and of the other methods do not stand for its own."""
    text = pages[site / "methods" / "adapters.html"].text
    section = section_of(text, "adapter")
    less = re.sub(r'<p class="equation">.*?</p>', "", section, flags=re.DOTALL)
    assert missing("adapter", section_of(text.replace(section, less), "adapter")) == ['<p class="equation">']
    assert missing("adapter", section_of(text, "mam")) == ['src="adapter.svg"']


def test_each_verdict_is_shown_as_it_is_given(generator):
    from docparts import verdicts

    from ragft.rules import VERDICTS

    assert set(verdicts.WORLDS) == set(VERDICTS)
    for name in VERDICTS:
        found, decision = verdicts.decided(name)
        assert decision.verdict == name
        assert found.questions == verdicts.WORLDS[name].documents * verdicts.EACH


@pytest.mark.parametrize("page", ["README.md", "README.zh.md", "CONTRIBUTING.md"])
def test_links_of_pages_beside_the_site_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (ROOT / target).exists(), target
