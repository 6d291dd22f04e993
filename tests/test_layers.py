"""Imports go downward only, `import ragft` is light, and torch is imported only where tensors are."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ragft"

# From bottom to top. A module may import from layers below its own, and from its own package or layer where listed together.
LAYERS = [
    ["errors", "types"],
    ["files", "unchanged"],
    ["text", "numbers", "privacy", "threads", "meter", "registry", "plugged", "strict", "store", "sheets", "answerlog", "recipe", "runnables"],
    [
        "domain",
        "chunking",
        "chunkers",
        "prompts",
        "cost",
        "breakeven",
        "stats",
        "ahead",
        "agreement",
        "worlds",
        "validation",
        "planning",
        "quantities",
        "scoretable",
        "comparison",
        "contrasts",
        "slicing",
        "searched",
        "cautions",
        "labelrate",
        "models",
        "gguf",
        "products",
        "nf4",
        "weights",
        "progress",
        "scripting",
        "progressfile",
        "placement",
        "charts",
        "notebook",
        "pages",
        "peftcharts",
        "measures",
        "robustness",
        "risk",
        "updates",
        "drilled",
        "scorelogs",
    ],
    ["retrieval", "generation", "tuning", "metrics", "presets"],
    ["arms", "armsettings", "judges", "build", "finetune", "dose", "compare", "scoresource", "scorerows", "serving", "untrained", "leakage"],
    ["words", "slicewords", "dosepage", "costwords", "needs", "catalogue", "measuring", "leaks", "asking", "systems", "written", "uploads"],
    ["case", "scoresettings", "mix", "frontier"],
    ["rules", "odds"],
    ["flips", "doubts"],
    ["decide"],
    ["verdictchecks", "powerchecks", "costchecks", "judgechecks"],
    ["settings"],
    ["context", "choices"],
    ["gate", "outside", "rehearsal"],
    ["units", "scoring"],
    [
        "facts",
        "readiness",
        "protocol",
        "record",
        "manifest",
        "plan",
        "pace",
        "foreword",
        "diagnosis",
        "pictures",
        "ladder",
        "knowledge",
        "rescue",
        "sifting",
        "abreast",
        "corpus",
        "material",
        "costpage",
        "trainingpage",
    ],
    ["scored"],
    ["scorefile"],
    ["tunedrows", "layerfigure", "groups", "structure", "labels", "review", "entail"],
    ["reviewsheet"],
    ["judging"],
    ["judged"],
    ["advice", "challenges"],
    ["guide"],
    ["guidepage", "ladderpage", "examples"],
    ["views", "plantext"],
    ["card", "report", "ladderchecks", "robust", "drill", "hostile", "riskplan", "risks"],
    ["validate"],
    ["validationpage"],
    ["trials"],
    ["search"],
    ["stages"],
    ["result"],
    ["study", "doctor", "audit", "exports", "regression", "jobs", "live"],
    ["regressionpage"],
    ["probe", "made", "tracking"],
    ["judgetext", "followtext", "listings", "terminal"],
    ["dashboard"],
    ["commands", "questions", "batch"],
    ["cli"],
    ["plugins"],
    ["__main__", "__init__"],
]
SIBLINGS = ("retrieval", "generation", "tuning", "metrics", "asking")
TENSORS = (
    "gguf",
    "products",
    "nf4",
    "weights",
    "generation/decode",
    "generation/int8",
    "generation/tree",
    "generation/cache",
    "tuning/train",
    "tuning/dtype",
    "tuning/forecast",
    "tuning/fused",
    "tuning/rows",
    "tuning/attach",
    "tuning/own",
    "tuning/virtual",
    "tuning/adapters",
    "serving",
    "measuring",
    "leaks",
    "retrieval/dense",
    "retrieval/stages",
)


def modules() -> dict[str, Path]:
    return {p.relative_to(PACKAGE).with_suffix("").as_posix(): p for p in sorted(PACKAGE.rglob("*.py"))}


def layer(module: str) -> int:
    top = module.split("/")[0]
    found = [number for number, names in enumerate(LAYERS) if top in names]
    assert found, f"{module} has no layer: add it to LAYERS"
    return found[0]


def imports(path: Path) -> set[str]:
    """The ragft modules that a file imports, at whatever depth; type-checking imports do not count."""
    tree = ast.parse(path.read_text())
    hidden = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test) for inner in ast.walk(node)}
    found = set()
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "ragft":
            parts = node.module.split(".")[1:]
            found |= {"/".join(parts)} if parts else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {"/".join(a.name.split(".")[1:]) for a in node.names if a.name.startswith("ragft.")}
    return found


@pytest.mark.parametrize("module", modules())
def test_imports_go_downward(module):
    own = layer(module)
    for other in imports(modules()[module]):
        same_package = other.split("/")[0] == module.split("/")[0]
        assert same_package or layer(other) <= own, f"{module} imports {other} from above"
        if module.split("/")[0] in SIBLINGS and not same_package:
            assert other.split("/")[0] not in SIBLINGS, f"{module} imports its sibling {other}"


@pytest.mark.parametrize("module", modules())
def test_torch_only_where_tensors_are(module):
    nodes = list(ast.walk(ast.parse(modules()[module].read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    if "torch" in {name.split(".")[0] for name in names}:
        assert module in TENSORS


@pytest.mark.parametrize(
    "module",
    [
        "ragft",
        "ragft.cli",
        "ragft.study",
        "ragft.report",
        "ragft.compare",
        "ragft.decide",
        "ragft.views",
        "ragft.listings",
        "ragft.scorefile",
        "ragft.validate",
    ],
)
def test_loads_no_torch(module):
    code = f"import sys, {module}; print([m for m in ('torch', 'transformers', 'streamlit', 'peft', 'optuna') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_are_there():
    import ragft

    for name in ragft.__all__:
        assert getattr(ragft, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ragft.nothing
