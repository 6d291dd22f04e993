"""`ragft dashboard`: starts Streamlit's server on the dashboard, on this machine only unless told otherwise, and sends nothing anywhere."""

from __future__ import annotations

import os
import socket
import sys
from importlib.util import find_spec
from pathlib import Path

from ragft.errors import InputError, MissingError

SETTINGS = {
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "server.fileWatcherType": "none",
    "server.maxUploadSize": "500",  # MB
    "theme.light.primaryColor": "#0072b2",
    "theme.dark.primaryColor": "#2b82c5",  # white on it can be read, and it on the page
    "theme.dark.backgroundColor": "#1d2126",  # the report's own colours: what is drawn for its cards lies on the page here
    "theme.dark.secondaryBackgroundColor": "#262b31",
    "theme.dark.textColor": "#e8eaed",
}
PAGE = Path(__file__).parent / "page.py"


def launch(runs: Path, port: int, address: str, browser: bool) -> None:
    """Become the server; returns never. Raises MissingError without Streamlit, InputError where the port is taken."""
    if find_spec("streamlit") is None:
        raise MissingError('the dashboard needs streamlit. Install it with: pip install "ragft[dashboard]"')
    _check_free(address, port)
    settings = {**SETTINGS, "server.port": str(port), "server.address": address, "server.headless": str(not browser).lower()}
    options = [f"--{key}={value}" for key, value in settings.items()]
    os.execv(sys.executable, [sys.executable, "-m", "streamlit", "run", str(PAGE), *options, "--", "--runs", str(runs)])


def _check_free(address: str, port: int) -> None:
    try:
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise InputError(f"--address {address}: {error.strerror}. Use localhost, or an address of this machine.") from error
    family, kind, protocol, _, place = found[0]
    with socket.socket(family, kind, protocol) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(place)
        except OSError as error:
            raise InputError(
                f"{address}:{port}: {error.strerror}. Stop what listens there, or use another port: ragft dashboard --port {port + 1}"
            ) from error
