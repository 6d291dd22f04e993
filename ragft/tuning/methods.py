"""Fine-tuning methods by name: each is a function from options to a configuration, with what the unified view says of it.

The four columns of the unified view (He et al., 2110.04366, table 1) say how a method changes a hidden state h by Δh:
`form` (functional form), `insertion` (sequential: from the sub-layer's output; parallel: from its input), `modifies` (which
representation) and `composition` (how Δh is put together with h). Each method's learning rate is what a search of the same
budget chose on the bundled domain (docs/search.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragft.registry import tuning

if TYPE_CHECKING:  # peft brings torch: it is imported when a method is used, not when its name is looked up
    from peft import BOFTConfig, IA3Config, LoraConfig, OFTConfig, PrefixTuningConfig, PromptEncoderConfig, PromptTuningConfig, VeraConfig

    from ragft.tuning.adapters import Bottlenecks
    from ragft.tuning.own import Full, Mam

TASK = "CAUSAL_LM"
LAYERS = "all-linear"  # every linear layer but the output's
KEYS = "keys and values"  # of attention; He et al. say "head attn"
SIMPLE, GATED, SCALED = "h + Δh", "(1 - λ)·h + λ·Δh", "h + s·Δh"
BOTH = "attention and feed-forward"


# ── bottleneck adapters: the project's own modules ───────────────────────────────────────────────────────────────────


@tuning(
    "adapter",
    "bottlenecks after attention and after the feed-forward",
    paper="1902.00751",
    form="W_up·σ(W_down·h)",
    insertion="sequential",
    modifies=BOTH,
    composition=SIMPLE,
    learning_rate=6e-3,
    quantised=True,
)
def adapter(size: int = 32) -> Bottlenecks:
    """Adapter tuning (Houlsby et al., 1902.00751, figure 2), without the layer norms that they train beside it (section 2.1)."""
    from ragft.tuning.adapters import Bottlenecks

    return Bottlenecks(size=size, places=("attention", "feed-forward"), insertion="sequential", scale=1.0, activation="gelu")


@tuning(
    "adapter-pfeiffer",
    "one bottleneck after the feed-forward",
    paper="2005.00247",
    form="W_up·σ(W_down·h)",
    insertion="sequential",
    modifies="feed-forward",
    composition=SIMPLE,
    learning_rate=2e-3,
    quantised=True,
)
def adapter_pfeiffer(size: int = 64) -> Bottlenecks:
    """The one bottleneck a layer of AdapterFusion (Pfeiffer et al., 2005.00247): on the feed-forward's output, before its skip connection.

    Theirs stands behind a layer norm, which the models here, that normalise beforehand, do not have at that place.
    """
    from ragft.tuning.adapters import Bottlenecks

    return Bottlenecks(size=size, places=("feed-forward",), insertion="sequential", scale=1.0, activation="relu")


@tuning(
    "parallel-adapter",
    "a scaled bottleneck beside the feed-forward",
    paper="2110.04366",
    form="W_up·ReLU(W_down·x)",
    insertion="parallel",
    modifies="feed-forward",
    composition=SCALED,
    learning_rate=6e-3,
    quantised=True,
)
def parallel_adapter(size: int = 64, scale: float = 4.0) -> Bottlenecks:
    """Scaled parallel adapter (He et al., 2110.04366, section 4); s = 4 is theirs."""
    from ragft.tuning.adapters import Bottlenecks

    return Bottlenecks(size=size, places=("feed-forward",), insertion="parallel", scale=scale, activation="relu")


@tuning(
    "mam",
    "mix-and-match: a short prefix in attention, a scaled parallel adapter in the feed-forward",
    paper="2110.04366",
    form="softmax(x·W_q·P_kᵀ)·P_v and W_up·ReLU(W_down·x)",
    insertion="parallel",
    modifies=f"{KEYS}, feed-forward",
    composition=f"{GATED} and {SCALED}",
    learning_rate=6e-3,
    quantised=True,
)
def mam(prefix: int = 16, size: int = 48, scale: float = 4.0) -> Mam:
    """MAM adapter (He et al., 2110.04366, section 4.6)."""
    from ragft.tuning.own import Mam

    return Mam(prefix, parallel_adapter(size, scale))


# ── virtual tokens ───────────────────────────────────────────────────────────────────────────────────────────────────


@tuning(
    "prefix",
    "trained keys and values in every layer, from an MLP that is dropped after training",
    paper="2101.00190",
    form="softmax(x·W_q·P_kᵀ)·P_v",
    insertion="parallel",
    modifies=KEYS,
    composition=GATED,
    learning_rate=9e-3,
    quantised=True,
)
def prefix(tokens: int = 16, hidden: int = 128) -> PrefixTuningConfig:
    """Prefix tuning (Li & Liang, 2101.00190), reparametrised as in their section 4.3."""
    from peft import PrefixTuningConfig

    return PrefixTuningConfig(num_virtual_tokens=tokens, prefix_projection=True, encoder_hidden_size=hidden, task_type=TASK)


@tuning(
    "prompt",
    "trained input embeddings before the text, beginning as the instruction's",
    paper="2104.08691",
    form="virtual tokens through the frozen layers",
    insertion="parallel",
    modifies="input embeddings",
    composition=GATED,
    learning_rate=3e-2,
    quantised=True,
)
def prompt(tokens: int = 16) -> PromptTuningConfig:
    """Prompt tuning (Lester et al., 2104.08691)."""
    from peft import PromptTuningConfig

    return PromptTuningConfig(num_virtual_tokens=tokens, task_type=TASK)


@tuning(
    "p-tuning",
    "input embeddings before the text, from an LSTM and an MLP that are dropped after training",
    paper="2103.10385",
    form="virtual tokens through the frozen layers",
    insertion="parallel",
    modifies="input embeddings",
    composition=GATED,
    learning_rate=9e-3,
    quantised=True,
)
def p_tuning(tokens: int = 16, hidden: int = 128) -> PromptEncoderConfig:
    """P-tuning (GPT Understands, Too: Liu et al., 2103.10385)."""
    from peft import PromptEncoderConfig

    return PromptEncoderConfig(num_virtual_tokens=tokens, encoder_reparameterization_type="LSTM", encoder_hidden_size=hidden, task_type=TASK)


@tuning(
    "p-tuning-v2",
    "trained keys and values in every layer, themselves, beginning as the instruction's",
    paper="2110.07602",
    form="softmax(x·W_q·P_kᵀ)·P_v",
    insertion="parallel",
    modifies=KEYS,
    composition=GATED,
    learning_rate=3e-2,
    quantised=True,
)
def p_tuning_v2(tokens: int = 16) -> PrefixTuningConfig:
    """P-tuning v2 (Liu et al., 2110.07602): deep prompts without reparametrisation."""
    from peft import PrefixTuningConfig

    return PrefixTuningConfig(num_virtual_tokens=tokens, prefix_projection=False, task_type=TASK)


# ── low rank ─────────────────────────────────────────────────────────────────────────────────────────────────────────

LOW_RANK: dict[str, Any] = {
    "form": "(α/r)·B·A·x",
    "insertion": "parallel",
    "modifies": BOTH,
    "composition": SCALED,
    "mergeable": True,
    "quantised": True,
}


@tuning("lora", "low-rank update ΔW = (α/r)·B·A of every linear layer", paper="2106.09685", learning_rate=3e-3, **LOW_RANK)
def lora(rank: int = 16, alpha: int | None = None, dropout: float = 0.0) -> LoraConfig:
    """LoRA (Hu et al., 2106.09685, eq. 3) on all linear layers; α = 2r unless given."""
    from peft import LoraConfig

    return LoraConfig(r=rank, lora_alpha=alpha or 2 * rank, lora_dropout=dropout, target_modules=LAYERS, task_type=TASK)


@tuning(
    "dora",
    "LoRA on the direction of each output's weights, their length trained apart",
    paper="2402.09353",
    learning_rate=3e-3,
    **{**LOW_RANK, "form": "m·(W + (α/r)·B·A)/‖W + (α/r)·B·A‖·x - W·x", "composition": SIMPLE},
)
def dora(rank: int = 16, alpha: int | None = None) -> LoraConfig:
    """DoRA (Liu et al., 2402.09353, eq. 5); the norm is peft's, over the weights of one output: a row of torch's matrix."""
    from peft import LoraConfig

    return LoraConfig(r=rank, lora_alpha=alpha or 2 * rank, use_dora=True, target_modules=LAYERS, task_type=TASK)


@tuning("rslora", "LoRA scaled by α/√r", paper="2312.03732", learning_rate=1e-3, **{**LOW_RANK, "form": "(α/√r)·B·A·x"})
def rslora(rank: int = 16, alpha: int | None = None) -> LoraConfig:
    """Rank-stabilised LoRA (Kalajdzievski, 2312.03732)."""
    from peft import LoraConfig

    return LoraConfig(r=rank, lora_alpha=alpha or 2 * rank, use_rslora=True, target_modules=LAYERS, task_type=TASK)


@tuning(
    "pissa",
    "LoRA that begins as the weights' largest singular values; stored as a plain LoRA",
    paper="2404.02948",
    learning_rate=1e-3,
    **{**LOW_RANK, "quantised": False},
)
def pissa(rank: int = 16, alpha: int | None = None) -> LoraConfig:
    """PiSSA (Meng et al., 2404.02948), with its fast singular value decomposition; α = r, as theirs."""
    from peft import LoraConfig

    start: Any = "pissa_niter_16"  # peft's type names the pattern only
    return LoraConfig(r=rank, lora_alpha=alpha or rank, init_lora_weights=start, target_modules=LAYERS, task_type=TASK)


# ── scaling, shared random matrices, rotations ───────────────────────────────────────────────────────────────────────


@tuning(
    "ia3",
    "trained scales of keys, values and the feed-forward's inner states",
    paper="2205.05638",
    form="(l - 1) ⊙ h",
    insertion="sequential",
    modifies=f"{KEYS}, feed-forward",
    composition=SIMPLE,
    mergeable=True,
    learning_rate=3e-2,
)
def ia3() -> IA3Config:
    """(IA)³ (Liu et al., 2205.05638, section 3.3): keys, values and the input of the second feed-forward matrix.

    GPT-2 computes queries, keys and values with one matrix: there its queries are scaled too.
    """
    from peft import IA3Config

    last = ["down_proj", "mlp.c_proj"]  # the second matrix in Llama and Qwen2, and in GPT-2
    return IA3Config(target_modules=["k_proj", "v_proj", "c_attn", *last], feedforward_modules=last, task_type=TASK)


@tuning(
    "vera",
    "two random matrices shared by all layers, and trained scales",
    paper="2310.11454",
    form="λ_b ⊙ B·(λ_d ⊙ A·x)",
    insertion="parallel",
    modifies=BOTH,
    composition=SIMPLE,
    mergeable=True,
    learning_rate=9e-2,
)
def vera(rank: int = 256) -> VeraConfig:
    """VeRA (Kopiczko et al., 2310.11454, eq. 2)."""
    from peft import VeraConfig

    return VeraConfig(r=rank, target_modules=LAYERS, projection_prng_key=0, save_projection=True, task_type=TASK)


ROTATION: dict[str, Any] = {"insertion": "sequential", "modifies": BOTH, "composition": SIMPLE, "mergeable": True}


@tuning(
    "oft",
    "an orthogonal matrix of blocks before each weight matrix",
    paper="2306.07280",
    form="W·(R - I)·x",
    learning_rate=1e-3,
    quantised=True,
    **ROTATION,
)
def oft(block: int = 32) -> OFTConfig:
    """Orthogonal fine-tuning (Qiu et al., 2306.07280)."""
    from peft import OFTConfig

    return OFTConfig(oft_block_size=block, target_modules=LAYERS, task_type=TASK)


@tuning(
    "boft",
    "an orthogonal matrix as a product of butterflies, before queries and values",
    paper="2311.06243",
    form="s ⊙ W·R₁·…·R_m·x - W·x",
    learning_rate=9e-3,
    **{**ROTATION, "modifies": "attention"},
)
def boft(block: int = 8, factors: int = 2) -> BOFTConfig:
    """Butterfly OFT (Liu et al., 2311.06243), on queries and values only; peft trains a scale s of each output beside it.

    peft multiplies the butterflies out to whole matrices in every pass: on all linear layers a training step
    takes many times LoRA's, and no budget that is fair to the others would train it.
    """
    from peft import BOFTConfig

    return BOFTConfig(boft_block_size=block, boft_n_butterfly_factor=factors, target_modules=["q_proj", "v_proj", "c_attn"], task_type=TASK)


@tuning(
    "full",
    "every weight is trained: the reference",
    paper="1801.06146",
    form="ΔW·x",
    insertion="parallel",
    modifies="everything",
    composition=SIMPLE,
    mergeable=True,
    learning_rate=3e-4,
)
def full() -> Full:
    """Full fine-tuning of the pretrained model (as in ULMFiT, 1801.06146)."""
    from ragft.tuning.own import Full

    return Full()
