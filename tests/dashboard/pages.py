"""Pages of the dashboard without a browser, by Streamlit's own AppTest."""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest

SECONDS = 30


def _framed(runs: str) -> None:
    from pathlib import Path

    from ragft.dashboard.app import main

    main(Path(runs))


def _alone(runs: str, module: str) -> None:
    from importlib import import_module
    from pathlib import Path

    from ragft.dashboard.app import on_page

    on_page(import_module(f"ragft.dashboard.{module}").show, Path(runs))


def opened(runs: Path, module: str = "", **asked: str) -> AppTest:
    """The dashboard over that folder, as it is opened; with a module's name that page instead. `asked` is what stands in the address."""
    given = {"runs": str(runs), "module": module} if module else {"runs": str(runs)}
    found = AppTest.from_function(_alone if module else _framed, kwargs=given, default_timeout=SECONDS)
    for key, value in asked.items():
        found.query_params[key] = value
    return found.run()


def html(found: AppTest) -> str:
    """Everything that the page shows by st.html but the style."""
    return " ".join(body for element in found.get("html") if not (body := element.proto.body).startswith("<style>"))
