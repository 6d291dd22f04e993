"""A PEFT method of your own: any configuration of Hugging Face's peft under a name, here LoKr, which ragft does not bring.

# study.yaml
plugins: [custom_tuning.py]
arms:
  rag: {retriever: auto}
  rag+lokr: {retriever: auto, tuning: lokr, options: {rank: 4}}
"""

from peft import LoKrConfig

from ragft.plugins import tuning


@tuning("lokr", "an update that is a Kronecker product of two small matrices", paper="2212.10650", learning_rate=3e-3, mergeable=True)
def lokr(rank: int = 8) -> LoKrConfig:
    return LoKrConfig(r=rank, alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
