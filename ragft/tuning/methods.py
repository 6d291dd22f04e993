"""Fine-tuning methods by name: each is a function from options to a PEFT configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragft.registry import tuning

if TYPE_CHECKING:  # peft brings torch: it is imported when a method is used, not when its name is looked up
    from peft import LoraConfig


@tuning("lora", "low-rank update ΔW = (α/r)·B·A of every linear layer", paper="2106.09685", mergeable=True)
def lora(rank: int = 16, alpha: int | None = None, dropout: float = 0.0) -> LoraConfig:
    """LoRA (Hu et al., 2106.09685, eq. 3) on all linear layers; α = 2r unless given."""
    from peft import LoraConfig, TaskType

    return LoraConfig(r=rank, lora_alpha=alpha or 2 * rank, lora_dropout=dropout, target_modules="all-linear", task_type=TaskType.CAUSAL_LM)
