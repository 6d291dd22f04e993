"""Scripts of pipelines/ as modules, for their tests."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

PIPELINES = Path(__file__).parents[1] / "pipelines"


def load_script(name: str) -> ModuleType:
    if str(PIPELINES) not in sys.path:  # a script finds its neighbours there
        sys.path.append(str(PIPELINES))
    spec = importlib.util.spec_from_file_location(name, PIPELINES / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
