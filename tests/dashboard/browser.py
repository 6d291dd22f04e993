"""The dashboard in a real browser: a server over a folder of runs, headless Chromium, and what is wrong with a page as a reader sees it.

The fixtures are in conftest.py: `served` (the address of a server over made runs), `browser`, `sheet` (a fresh page of it).
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 400, "height": 800}
SETTLED = '[data-testid="stApp"][data-test-connection-state="CONNECTED"][data-test-script-state="notRunning"]'
START_SECONDS, WAIT_MS = 60, 30_000
PROBE = re.compile(r"/\w+/_stcore/(health|host-config)$")  # Streamlit's page looks below its own path first for where its server is


@contextmanager
def serving(runs: Path) -> Iterator[str]:
    """The address of `ragft dashboard` over that folder, started as a user starts it, on a port of its own."""
    port = _free_port()
    command = [sys.executable, "-m", "ragft", "dashboard", "--runs", str(runs), "--port", str(port), "--no-browser"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    log = runs.parent / f"server-{port}.log"
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=runs.parent, env=environ, stdout=out, stderr=subprocess.STDOUT)
    address = f"http://localhost:{port}"
    try:
        _wait_for(f"{address}/_stcore/health", process, log)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def _free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("localhost", 0))
        return tried.getsockname()[1]


def _wait_for(address: str, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the dashboard did not start: {log.read_text()}")


class Sheet:
    """One page of the browser, with what its console said and what it asked of any other server than ours."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address, self.errors = page, address, list[str]()
        page.set_default_timeout(WAIT_MS)
        page.on("console", lambda said: self._note(said.text, said.location["url"]) if said.type == "error" else None)
        page.on("pageerror", lambda error: self._note(str(error)))
        page.on(
            "request", lambda sent: None if sent.url.startswith((address, f"ws{address[4:]}", "data:", "blob:")) else self._note("outside", sent.url)
        )

    def open(self, path: str = "", **asked: str) -> Page:
        """Go to a page of the dashboard by its path, and wait until it is drawn. `asked` stands in the address."""
        self.page.goto(f"{self.address}/{path}" + (f"?{urlencode(asked)}" if asked else ""))
        return self.settle()

    def settle(self) -> Page:
        """Wait until the script has run and what it draws stands."""
        self.page.wait_for_selector(SETTLED)
        self.page.wait_for_function('() => !document.querySelector(\'[data-testid="stSkeleton"], [data-stale="true"]\')')
        return self.page

    def faults(self) -> list[str]:
        """What no page may have; [] is well."""
        page = self.page
        found = [*self.errors]
        found += [f"exception: {shown.inner_text()[:300]}" for shown in page.locator('[data-testid="stException"]').all()]
        found += [f"no alt text: {shown}" for shown in page.evaluate(NO_ALT)]
        found += [f"wider than the window: {shown}" for shown in page.evaluate(TOO_WIDE)]
        return found

    def _note(self, text: str, url: str = "") -> None:
        if not PROBE.search(url):
            self.errors.append(f"{text} {url}")


NO_ALT = """() => [...document.querySelectorAll('img')].filter(i => !i.getAttribute('alt') && !(i.hasAttribute('alt') && i.matches('.sign')))
    .map(i => i.outerHTML.slice(0, 200))"""  # the small sign of a legend stands beside its words
TOO_WIDE = """() => {
    const main = document.querySelector('[data-testid="stMain"]'), wide = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= wide && main.scrollWidth <= main.clientWidth) return [];
    const out = [...main.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > wide + 1 && !e.closest('.scroll'));
    return [`${main.scrollWidth} of ${main.clientWidth} px`, ...out.slice(0, 3).map(e => e.outerHTML.slice(0, 200))];
}"""
