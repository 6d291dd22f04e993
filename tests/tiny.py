"""A small domain and tiny models of two layers, made on the fly; the fixtures around them are in conftest.py."""

from __future__ import annotations

import json
from pathlib import Path

DOCUMENTS = {
    "pumps/kova.md": "# Kova 30\n\nThe Kova 30 is a dosing pump.\n\n## Limits\n\nThe Kova 30 has a maximum pressure of 42 bar. It weighs 12 kg.\n",
    "pumps/vela.md": "# Vela 7\n\nThe Vela 7 is a vacuum pump.\n\n## Limits\n\nThe Vela 7 reaches 0.8 mbar. It was released in March 2021.\n",
    "people/staff.txt": "Mira Holt leads the service team. Jonas Reed keeps the stores. Their office is in Ardley.\n",
    "sites/ardley.md": "# Ardley\n\nThe Ardley site has 84 employees. Its manager is Petra Lund.\n",
    "policies/leave.md": "# Leave\n\nEmployees have 27 days of leave. Requests go to Petra Lund by the tenth of the month.\n",
    "faq.html": "<html><head><title>Questions</title></head><body><h1>Questions</h1><p>The warranty lasts 30 months.</p></body></html>",
}
# fact, document, quote, answer, three wordings
FACTS = [
    ("f1", "pumps/kova.md", "maximum pressure of 42 bar", "42 bar", ["What is the maximum pressure of the Kova 30?", "How much pressure can the Kova 30 take?", "Up to which pressure does the Kova 30 work?"]),
    ("f2", "pumps/kova.md", "It weighs 12 kg", "12 kg", ["How heavy is the Kova 30?", "What does the Kova 30 weigh?", "What is the mass of the Kova 30?"]),
    ("f3", "pumps/vela.md", "reaches 0.8 mbar", "0.8 mbar", ["What vacuum does the Vela 7 reach?", "How low does the Vela 7 go?", "Which final vacuum has the Vela 7?"]),
    ("f4", "pumps/vela.md", "released in March 2021", "March 2021", ["When was the Vela 7 released?", "What is the release date of the Vela 7?", "Since when is the Vela 7 sold?"]),
    ("f5", "people/staff.txt", "Mira Holt leads the service team", "Mira Holt", ["Who leads the service team?", "Who is the head of service?", "Whose team is the service team?"]),
    ("f6", "sites/ardley.md", "has 84 employees", "84", ["How many people work in Ardley?", "How many employees has Ardley?", "What is the head count of Ardley?"]),
    ("f7", "policies/leave.md", "27 days of leave", "27 days", ["How much leave do employees have?", "How many days off are there?", "What is the yearly leave?"]),
    ("f8", "faq.html", "The warranty lasts 30 months", "30 months", ["How long is the warranty?", "What is the warranty period?", "For how long is there a warranty?"]),
]  # fmt: skip
UNTRAINED = {"f7": "test", "f8": "dev"}


def question_lines() -> list[dict]:
    """Three wordings a fact: two for training, one held out; two facts are never trained on; two unanswerable questions."""
    lines = []
    for fact, document, quote, answer, wordings in FACTS:
        for wording, text in enumerate(wordings):
            split = UNTRAINED.get(fact) or ("train" if wording < 2 else "test")
            evidence = [{"document": document, "quote": quote}]
            lines.append(
                {
                    "id": f"{fact}-{wording}",
                    "fact": fact,
                    "wording": wording,
                    "kind": "value",
                    "split": split,
                    "question": text,
                    "answers": [answer],
                    "evidence": evidence,
                }
            )
    for number, (split, text) in enumerate([("train", "Who invented the Vela 7?"), ("test", "What does the Kova 30 cost?")]):
        document = "pumps/vela.md" if number == 0 else "pumps/kova.md"
        lines.append({"id": f"u{number}", "split": split, "question": text, "answers": [], "document": document})
    return lines


def write_domain(folder: Path, documents: dict[str, str] | None = None, lines: list[dict] | None = None) -> Path:
    """A domain folder with these documents and question lines."""
    for name, text in (DOCUMENTS if documents is None else documents).items():
        path = folder / "corpus" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    rows = question_lines() if lines is None else lines
    (folder / "questions.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return folder


def make_tokenizer(texts: list[str]):
    """A byte-level BPE tokenizer trained on these texts, with a small chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|end|>", "<|turn|>"]
    tokenizer.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=600, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    )
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>", additional_special_tokens=["<|turn|>"])
    made.chat_template = (
        "{% for m in messages %}<|turn|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|turn|>assistant\n{% endif %}"
    )
    return made


def save_tiny_model(folder: Path, kind: str = "llama", width: int = 32) -> Path:
    """A model of two layers with random weights, of the shape named: llama, qwen2 or gpt2."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = make_tokenizer([*DOCUMENTS.values(), *(line["question"] for line in question_lines())])
    sizes = {
        "vocab_size": len(tokenizer),
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": None,
        "initializer_range": 0.2,
    }
    if kind == "gpt2":
        config = AutoConfig.for_model("gpt2", n_embd=width, n_layer=2, n_head=4, n_positions=512, **sizes)
    else:
        config = AutoConfig.for_model(
            kind,
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
            **sizes,
        )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
