"""The prompts of a batch as a tree: what several of them begin with is a segment that is read once, and nothing is padding.

    [instruction] ─┬─ [passage A] ─┬─ [question 1]
                   │               └─ [question 2]
                   └─ [passage B, question 3]

All segments stand in one row, one after the other. A token sees the memory, the segments above its own, and its own up
to itself: for every token what it would see in its prompt alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

Tokens = Sequence[int]
ATTENTION = "ragft_tree"  # the name under which transformers finds `attend`


@dataclass(frozen=True)
class Segment:
    """Tokens that stand together."""

    tokens: tuple[int, ...]
    above: tuple[int, ...]  # the segments before it, by number, from the first


@dataclass(frozen=True)
class Tree:
    """Segments, those above first, and the last segment of each prompt, which is its own."""

    segments: tuple[Segment, ...]
    leaves: tuple[int, ...]


def make_tree(rows: Sequence[Tokens]) -> Tree:
    """The tree of these prompts, each of at least one token. The last token of a prompt is never shared: an answer follows it."""
    segments: list[Segment] = []
    leaves = [0] * len(rows)

    def add(row: int, begin: int, end: int, above: tuple[int, ...]) -> int:
        segments.append(Segment(tuple(rows[row][begin:end]), above))
        return len(segments) - 1

    def grow(members: list[int], depth: int, above: tuple[int, ...]) -> None:
        """Segments for what follows the first `depth` tokens of these rows, which they share."""
        for first, group in groupby(members, key=lambda i: rows[i][depth] if len(rows[i]) > depth + 1 else None):
            alike = list(group)
            if first is None or len(alike) == 1:
                for i in alike:
                    leaves[i] = add(i, depth, len(rows[i]), above)
                continue
            end = _common(rows[alike[0]], rows[alike[-1]], min(len(rows[i]) for i in alike) - 1)
            grow(alike, end, (*above, add(alike[0], depth, end, above)))

    grow(sorted(range(len(rows)), key=lambda i: list(rows[i])), 0, ())
    return Tree(tuple(segments), tuple(leaves))


def _common(one: Tokens, other: Tokens, limit: int) -> int:
    """How many first tokens two rows share, at most `limit`. Of sorted rows, the first and the last share what all do."""
    return next((n for n in range(limit) if one[n] != other[n]), limit)


@dataclass(frozen=True)
class Part:
    """What `attend` needs of a segment: where it stands in the row, which places it sees, and which of them each token sees."""

    begin: int
    end: int
    seen: torch.Tensor  # (seen,), the memory's places come before the row's
    mask: torch.Tensor | None  # (1, 1, tokens, seen); None: a single token, which sees them all


@dataclass(frozen=True)
class Layout:
    """A tree laid out in one row, behind a memory of `virtual` positions."""

    virtual: int
    ids: torch.Tensor  # (1, tokens)
    positions: torch.Tensor  # (1, tokens), as in the prompt alone
    ends: torch.Tensor  # (prompts,), the place of each prompt's last token
    rows: torch.Tensor  # (prompts, longest), every prompt's places, the memory's first; left-padded with place 0
    lengths: torch.Tensor  # (prompts,), the memory included
    parts: tuple[Part, ...]


def lay_out(tree: Tree, virtual: int, device: torch.device) -> Layout:
    """Where each token of the tree stands, and what it sees."""
    begins, total = [], 0
    for segment in tree.segments:
        begins.append(total)
        total += len(segment.tokens)

    def path(number: int) -> list[int]:
        """The places that the segment's tokens see, its own last."""
        chain = (*tree.segments[number].above, number)
        return [*range(virtual), *(virtual + begins[n] + i for n in chain for i in range(len(tree.segments[n].tokens)))]

    parts: list[Part] = []
    positions: list[int] = []
    for number, (segment, begin) in enumerate(zip(tree.segments, begins, strict=True)):
        seen, own = path(number), len(segment.tokens)
        before = len(seen) - own
        mask = torch.ones(own, len(seen), dtype=torch.bool, device=device).tril(before)[None, None] if own > 1 else None
        parts.append(Part(begin, begin + own, torch.tensor(seen, device=device), mask))
        positions += range(before, len(seen))
    rows = [path(leaf) for leaf in tree.leaves]
    longest = max(map(len, rows))
    return Layout(
        virtual=virtual,
        ids=torch.tensor([[token for segment in tree.segments for token in segment.tokens]], device=device),
        positions=torch.tensor([positions], device=device),
        ends=torch.tensor([begins[leaf] + len(tree.segments[leaf].tokens) - 1 for leaf in tree.leaves], device=device),
        rows=torch.tensor([[0] * (longest - len(row)) + row for row in rows], device=device),
        lengths=torch.tensor([len(row) for row in rows], device=device),
        parts=tuple(parts),
    )


def attend(
    module: torch.nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: Any, parts: tuple[Part, ...], **rest: Any
) -> tuple[torch.Tensor, None]:
    """Attention segment by segment, (1, tokens, heads, head size): what tokens do not see is not computed."""
    found = []
    for part in parts:
        keys, values = key.index_select(2, part.seen), value.index_select(2, part.seen)
        found.append(sdpa_attention_forward(module, query[:, :, part.begin : part.end], keys, values, part.mask, **rest)[0])
    return torch.cat(found, dim=1), None


AttentionInterface.register(ATTENTION, attend)


@contextmanager
def tree_attention(model: Any, layout: Layout) -> Iterator[dict[str, Any]]:
    """The arguments with which the model reads a layout; inside, its attention is `attend` where transformers can exchange it.

    Elsewhere the model gets one mask over all tokens: the same, but it computes what tokens do not see as well.
    """
    if not model._supports_attention_backend:
        yield {"attention_mask": _whole_mask(layout)}
        return
    config = model.config.get_text_config()
    before, config._attn_implementation = config._attn_implementation, ATTENTION
    try:
        # a mask of four dimensions is passed on as it is, and `attend` has no use for it
        yield {"attention_mask": torch.ones(1, 1, 1, 1, dtype=torch.bool, device=layout.ids.device), "parts": layout.parts}
    finally:
        config._attn_implementation = before


def _whole_mask(layout: Layout) -> torch.Tensor:
    """(1, 1, tokens, memory and tokens)."""
    tokens = layout.ids.shape[1]
    mask = torch.zeros(tokens, layout.virtual + tokens, dtype=torch.bool, device=layout.ids.device)
    for part in layout.parts:
        mask[part.begin : part.end, part.seen] = True if part.mask is None else part.mask[0, 0]
    return mask[None, None]
