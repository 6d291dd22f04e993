"""Examples trained per second: ragft's loop against TRL's SFTTrainer, same examples, same LoRA, same weights.

    pip install trl==1.16.0
    python pipelines/bench_training.py [--examples 24] [--repeats 3] [--model smollm2-135m-instruct]

Two cores, about 15 minutes. Prints JSON, for closed-book questions (`qa`) and questions with passages (`raft`) of the
bundled domain and, of the two, the worse: `ratio_best` (against TRL in float32, packing, no checkpointing, at the best of
a few row lengths and batch sizes), `ratio_default` (against its defaults: bfloat16, checkpointing, batches of 8),
`max_rel_diff` (of the gradients of one step, against plain transformers one example at a time) and
`share_of_matrix_rate` (matrix products that the examples need, a second, by what this machine reaches on the model's own
shapes). Examples are counted, never tokens. The sides take turns in one process, so that a noisy machine is noisy for
all, and the median counts. With --profile, `profile` has the shares of its time by kind of operation. `ragft_probed` is ragft in
the number format that its probe chooses here; the ratios of `any_dtype` set it against TRL in the faster of both formats,
and against its defaults.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from ragft.errors import MissingError
from ragft.privacy import keep_private
from ragft.scripting import job_parser, run_job
from ragft.threads import wait_briefly

STUDY = Path(__file__).parents[1] / "data" / "tarnbeck" / "study.yaml"
BATCH_SIZE = 8
RANK = 8
LEARNING_RATE = 1e-3
DEFAULTS = {"per_device_train_batch_size": 8}
PLAIN = {"bf16": False, "gradient_checkpointing": False}
# Rows of TRL's packing and how many of them make a batch: all that is tried for "its best".
ROWS = ((256, 1), (256, 2), (512, 1), (1024, 1))
TRIED = [{**PLAIN, "packing": True, "max_length": length, "per_device_train_batch_size": rows} for length, rows in ROWS]


def main(arguments: list[str] | None = None) -> int:
    parser = job_parser(__doc__)
    parser.add_argument("--examples", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--kinds", nargs="+", default=["qa", "raft"], choices=["qa", "raft"])
    parser.add_argument("--profile", action="store_true", help="also say where the time of ragft's training goes")
    given = parser.parse_args(arguments)
    keep_private()
    wait_briefly()
    return run_job("bench_training", lambda: both(given))


def both(given: argparse.Namespace) -> dict[str, Any]:
    """Closed-book examples and those with passages, and of the two the worse. Raises MissingError without TRL."""
    try:
        import trl
    except ImportError:
        raise MissingError("TRL is not installed, and it is what this compares with. Install it with: pip install trl==1.16.0") from None
    from ragft.models import find_model

    folder = find_model(given.model, "generator").folder
    examples = {kind: make_examples(given.model, kind)[: given.examples] for kind in given.kinds}
    found = {kind: bench(folder, chosen, given.repeats) for kind, chosen in examples.items()}
    for kind, chosen in examples.items() if given.profile else ():
        found[kind]["profile"] = {dtype: profiled(folder, chosen, dtype) for dtype in ("float32", "bfloat16")}
    worst = {
        "ratio_best": min(line["ratio_best"] for line in found.values()),
        "ratio_default": min(line["ratio_default"] for line in found.values()),
        "max_rel_diff": max(line["max_rel_diff"] for line in found.values()),
        "share_of_matrix_rate": min(line["share_of_matrix_rate"] for line in found.values()),
    }
    head = {"model": given.model, "trl": trl.__version__, "examples": given.examples, "repeats": given.repeats}
    return {**head, **worst, **found}


def make_examples(model_name: str, kind: str) -> list:
    """Training examples as the bundled study makes them, but that passages are found by bm25."""
    from ragft.build import build_index, open_index
    from ragft.context import Context, adapter_plan, index_plan
    from ragft.domain import load_domain
    from ragft.finetune import training_examples
    from ragft.models import find_model
    from ragft.settings import ArmSettings, load_study
    from ragft.store import Run

    study, domain = load_study(STUDY), load_domain(STUDY.parent)
    context = Context(study, domain, find_model(model_name, "generator"), None, Run(Path()))
    plan = adapter_plan(context, ArmSettings(tuning="lora", format=kind, retriever="bm25"), 0)
    with tempfile.TemporaryDirectory() as index:
        build_index(index_plan(context), Path(index))
        return training_examples(plan, Path(index), open_index(Path(index), "", None))


def bench(folder: Path, examples: Sequence, repeats: int) -> dict:
    """All sides on the same examples, in turn."""
    from ragft.tuning.dtype import choose_dtype
    from ragft.tuning.rows import encode_example
    from ragft.weights import load_tokenizer

    tokenizer = load_tokenizer(folder)
    encoded = [encode_example(example, tokenizer) for example in examples]
    probed = choose_dtype(folder, examples[:4])
    best = min(TRIED, key=lambda settings: theirs(folder, encoded, settings))
    sides = {
        "ragft": partial(ours, folder, examples, encoded, "float32"),
        "ragft_probed": partial(ours, folder, examples, encoded, probed.dtype),
        "trl_best": partial(theirs, folder, encoded, best),
        "trl_best_in_bfloat16": partial(theirs, folder, encoded, {**best, "bf16": True}),
        "trl_default": partial(theirs, folder, encoded, DEFAULTS),
        "matrix_gflops": partial(matrix_gflops, folder),
    }
    for side in ("ragft", "ragft_probed"):
        sides[side]()  # to warm up; TRL has had TRIED
    rounds = [{name: side() for name, side in sides.items()} for _ in range(repeats)]
    seconds = {name: median(taken[name] for taken in rounds) for name in sides}
    gflops = seconds.pop("matrix_gflops")
    alone, computed = needed_gflop(folder, encoded)
    return {
        "ratio_best": seconds["trl_best"] / seconds["ragft"],
        "ratio_default": seconds["trl_default"] / seconds["ragft"],
        "ratio_best_any_dtype": min(seconds["trl_best"], seconds["trl_best_in_bfloat16"]) / seconds["ragft_probed"],
        "ratio_default_any_dtype": seconds["trl_default"] / seconds["ragft_probed"],
        **gradient_differences(folder, encoded[:BATCH_SIZE]),
        "share_of_matrix_rate": alone / seconds["ragft"] / gflops,
        "share_of_matrix_rate_shared_tokens_once": computed / seconds["ragft"] / gflops,
        "matrix_gflops_per_second": gflops,
        "probed_dtype": probed.dtype,
        "trl_best_settings": {key: best[key] for key in ("max_length", "per_device_train_batch_size")},
        "examples_per_second": {name: len(encoded) / taken for name, taken in seconds.items()},
        "tokens_per_example": sum(len(e.ids) for e in encoded) / len(encoded),
        "seconds": {name: [taken[name] for taken in rounds] for name in seconds},
    }


# ── the sides: seconds of one pass over the examples ─────────────────────────────────────────────────────────────────


def ours(folder: Path, examples: Sequence, encoded: Sequence, dtype: Any) -> float:
    from ragft.tuning.methods import lora
    from ragft.tuning.train import Training, train_adapter

    training = Training(0, sum(len(e.ids) for e in encoded), BATCH_SIZE, LEARNING_RATE, dtype)
    with tempfile.TemporaryDirectory() as adapter:
        return train_adapter(folder, lora(rank=RANK), examples, Path(adapter), training).seconds


def theirs(folder: Path, encoded: Sequence, settings: dict) -> float:
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import SFTConfig, SFTTrainer

    from ragft.tuning.methods import lora
    from ragft.weights import device, load_tokenizer

    rows = [{"input_ids": e.ids, "labels": [-100] * e.start + e.ids[e.start :]} for e in encoded]
    quiet = {"report_to": "none", "save_strategy": "no", "logging_strategy": "no", "disable_tqdm": True, "use_cpu": device().type == "cpu"}
    with tempfile.TemporaryDirectory() as output:
        trainer = SFTTrainer(
            model=plain_model(folder),
            args=SFTConfig(output_dir=output, num_train_epochs=1, learning_rate=LEARNING_RATE, **quiet, **settings),
            train_dataset=Dataset.from_list(rows),
            processing_class=load_tokenizer(folder),
            peft_config=lora(rank=RANK),
        )
        trainer.remove_callback(PrinterCallback)  # stdout is for the result
        return float(trainer.train().metrics["train_runtime"])


def profiled(folder: Path, examples: Sequence, dtype: Any) -> dict[str, float]:
    """Where the time of a pass by ragft goes, as bench_generation.py tells it for answers."""
    from bench_generation import profile

    from ragft.tuning.rows import encode_example
    from ragft.weights import load_tokenizer

    tokenizer = load_tokenizer(folder)
    return profile(partial(ours, folder, examples, [encode_example(example, tokenizer) for example in examples], dtype))


# ── what the machine can do, what the examples need ──────────────────────────────────────────────────────────────────

ROW = 256  # tokens of the products that the machine is measured by: about those of a row
MATRIX_SECONDS = 1.0


def matrix_gflops(folder: Path) -> float:
    """GFLOP a second of float32 products with every linear layer of the model in turn, by the faster of torch's libraries."""
    import torch

    from ragft.products import multiply

    weights = [module.weight for module in linear_layers(folder)]
    given = {size: torch.randn(ROW, size) for size in {weight.shape[1] for weight in weights}}
    passes, began = 0, time.perf_counter()
    with torch.no_grad():
        while time.perf_counter() - began < MATRIX_SECONDS:
            for weight in weights:
                multiply(given[weight.shape[1]], weight)
            passes += 1
    return passes * sum(2 * ROW * weight.numel() for weight in weights) / (time.perf_counter() - began) / 1e9


def linear_layers(folder: Path) -> list:
    """The linear layers of the untouched base, without the output's."""
    import torch

    from ragft.weights import load_base

    base = load_base(folder, "float32")
    base.clear()
    return [m for m in base.model.modules() if isinstance(m, torch.nn.Linear) and m is not base.model.get_output_embeddings()]


def needed_gflop(folder: Path, encoded: Sequence) -> tuple[float, float]:
    """Products of one pass, forward and for the gradients of activations and adapters: each example alone, and as ragft computes it.

    A token takes 2 FLOP a weight forward and 2 back; an adapter's weight 2 more for its own gradient; attention 2·d·T²
    forward and twice that back, a layer, for the half that is not masked; the output layer only where there is a label.
    """
    from ragft.tuning.rows import grow, pack
    from ragft.weights import load_base

    layers, model = linear_layers(folder), load_base(folder, "float32").model
    config, output = model.config, model.get_output_embeddings().weight.numel()
    per_token = sum(4 * m.weight.numel() + 6 * RANK * sum(m.weight.shape) for m in layers)
    labels = sum(len(e.ids) - e.start for e in encoded) * 4 * output
    attention = 6 * config.num_hidden_layers * config.hidden_size
    alone = sum(per_token * (len(e.ids) - 1) + attention * (len(e.ids) - 1) ** 2 for e in encoded) + labels
    trees = [grow(row) for first in range(0, len(encoded), BATCH_SIZE) for row in pack(encoded[first : first + BATCH_SIZE])]
    computed = sum(per_token * len(tree.ids) + 2 * attention * int(tree.sees.sum()) for tree in trees) + labels
    return alone / 1e9, computed / 1e9


def gradient_differences(folder: Path, batch: Sequence) -> dict[str, float]:
    """Of the gradients of one step, ‖a - b‖ / ‖b‖: ragft's packed float32 loop against plain transformers and peft.

    `max_rel_diff` is that of the gradient as one vector, `max_rel_diff_of_a_matrix` the largest over the trained matrices;
    of those, float32 itself has `float32_rounding_of_a_matrix`: plain against plain in float64. B is not zero, as after
    the first steps, so that A has gradients.
    """
    import torch

    from ragft.tuning.attach import attach
    from ragft.tuning.methods import lora
    from ragft.tuning.train import backward
    from ragft.weights import load_base

    base = load_base(folder, "float32")
    attached = attach(base, lora(rank=RANK), seed=0)
    for name, weight in attached.weights.items():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.002)
    backward(base.model, attached, batch)
    found = {name: weight.grad.double() for name, weight in attached.weights.items()}
    values = {name: weight.detach() for name, weight in attached.weights.items()}
    base.clear()
    plain = plain_gradients(folder, batch, values, torch.float32)
    exact = plain_gradients(folder, batch, values, torch.float64)
    return {
        "max_rel_diff": norm(found[name] - value for name, value in plain.items()) / norm(plain.values()),
        "max_rel_diff_of_a_matrix": max(float((found[name] - value).norm() / value.norm()) for name, value in plain.items()),
        "float32_rounding_of_a_matrix": max(float((plain[name] - value).norm() / value.norm()) for name, value in exact.items()),
    }


def plain_model(folder: Path) -> Any:
    """The model as transformers loads it, without anything of ragft's: the other sides must not gain by ours."""
    import torch
    from transformers import AutoModelForCausalLM

    from ragft.weights import device

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).to(device()).eval().requires_grad_(False)


def plain_gradients(folder: Path, batch: Sequence, values: dict, dtype: Any) -> dict:
    """The textbook form: one example at a time, transformers' own loss, peft's own modules."""
    import torch
    from peft import get_peft_model

    from ragft.tuning.methods import lora

    model = get_peft_model(plain_model(folder), lora(rank=RANK)).to(dtype)
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    for name, weight in trained.items():
        weight.data.copy_(values[name])
    labels = sum(len(e.ids) - e.start for e in batch)
    for one in batch:
        wanted = torch.tensor([[-100] * one.start + one.ids[one.start :]])
        loss = model(input_ids=torch.tensor([one.ids]), labels=wanted, use_cache=False).loss
        (loss * (len(one.ids) - one.start) / labels).backward()
    return {name: weight.grad.double() for name, weight in trained.items()}


def norm(parts: Iterable) -> float:
    """Of tensors taken as one vector."""
    return sum(float(part.norm()) ** 2 for part in parts) ** 0.5


if __name__ == "__main__":
    sys.exit(main())
