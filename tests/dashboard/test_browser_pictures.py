"""The pictures of docs/dashboard.md and of the README: pages over the bundled example.

    python -m pytest tests/dashboard/test_browser_pictures.py --pictures docs/dashboard        # draws them anew

Without --pictures they are drawn into a temporary folder.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from PIL import Image, ImageStat

from tests.dashboard.browser import Sheet, serving

ROOT = Path(__file__).parents[2]
PICTURES = {  # file name -> page, its height in pixels, what stands in the address
    "verdict": ("", 1180, {}),
    "what-if": ("whatif", 980, {}),
    "arms": ("arms", 1080, {}),
    "losses": ("losses", 980, {}),
    "questions": ("questions", 1180, {"id": "q0003"}),
    "new-study": ("newstudy", 620, {}),
}


@pytest.fixture(scope="module")
def example():
    """The address of a dashboard over an empty folder, which shows the bundled example. The folder's name is seen on a picture."""
    folder = Path(tempfile.gettempdir(), "ragft", "runs")
    folder.mkdir(parents=True, exist_ok=True)
    with serving(folder) as address:
        yield address


@pytest.fixture(scope="module")
def into(request, tmp_path_factory) -> Path:
    chosen = request.config.getoption("--pictures")
    folder = Path(chosen) if chosen else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.parametrize(("name", "path", "height", "asked"), [(name, *of) for name, of in PICTURES.items()], ids=list(PICTURES))
def test_picture(browser, example, into, name, path, height, asked):
    with browser.new_context(viewport={"width": 1280, "height": height}, color_scheme="light") as context:
        sheet = Sheet(context.new_page(), example)
        page = sheet.open(path, **asked)
        page.wait_for_timeout(500)  # the last picture of a chart is drawn a moment after the script ended
        page.screenshot(path=into / f"{name}.png")
        assert sheet.faults() == []
    with Image.open(into / f"{name}.png") as drawn:
        assert drawn.size == (1280, height)
        assert ImageStat.Stat(drawn.convert("L")).stddev[0] > 10  # not a blank page


def test_every_picture_of_the_docs_is_one_of_these():
    kept = {path.stem for path in (ROOT / "docs" / "dashboard").glob("*.png")}
    assert kept == set(PICTURES)
    page = (ROOT / "docs" / "dashboard.md").read_text(encoding="utf-8")
    assert all(f"(dashboard/{name}.png)" in page for name in PICTURES)
