"""Scripts of pipelines/ as modules, for their tests."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

PIPELINES = Path(__file__).parents[1] / "pipelines"
if str(PIPELINES) not in sys.path:
    sys.path.append(str(PIPELINES))  # as for a script that is run: make_docs.py has its parts in a folder beside it


def load_script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"pipelines_{name}", PIPELINES / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
