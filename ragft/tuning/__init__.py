"""Fine-tuning: methods (name -> configuration), formats (what is trained on) and the one training loop."""

from __future__ import annotations

from logging import ERROR, getLogger

# peft imports bitsandbytes where it is installed, which then says what else one could install; no study needs that
getLogger("bitsandbytes").setLevel(ERROR)
