"""The arms that a study can name without writing their settings: rows of a table, retriever x tuning x format."""

from __future__ import annotations

from typing import Any

from ragft.registry import arm


@arm("base", "the model alone, closed-book")
def base() -> dict[str, Any]:
    return {}


@arm("oracle", "the model with the gold passages: the ceiling of retrieval")
def oracle() -> dict[str, Any]:
    return {"retriever": "oracle"}


@arm("rag", "the model with retrieved passages")
def rag() -> dict[str, Any]:
    return {"retriever": "auto"}


@arm("lora", "the model fine-tuned with LoRA, closed-book")
def lora() -> dict[str, Any]:
    return {"tuning": "lora"}


@arm("rag+lora", "the index of rag with the adapters of lora")
def rag_lora() -> dict[str, Any]:
    return {"retriever": "auto", "tuning": "lora"}


@arm("raft", "the index of rag with LoRA trained on questions with passages")
def raft() -> dict[str, Any]:
    return {"retriever": "auto", "tuning": "lora", "format": "raft"}
