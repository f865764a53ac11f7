"""The models there are: one module a backend, each with

    NAME                       what `summarized_by:` and the ledger say
    model(size)                the model asked for a question of size small or large
    slots()                    how many calls it takes side by side
    unready()                  why it cannot be asked now, '' when it can
    call(question, prompt)     a Reply; TooLong where the prompt does not fit

Adding a backend is adding a file and naming it in wiki_model.BACKENDS.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wiki_disk import config
from wiki_text import ModelError


@dataclass(frozen=True)
class Reply:
    """What came back of one call. `value`: the object a model gave by its schema, None where there is only `text`;
    `outcome`: a word for the ledger (CUT where the answer ended at its limit of tokens, NOT_MADE where nothing was called);
    `failed`: why this call gave nothing, '' when it did; `stop`: no more calls in this run; `unknown`: what it cost is not
    known."""
    value: Any = None
    text: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    outcome: str = "answered"
    failed: str = ""
    stop: bool = False
    session: str = ""
    unknown: bool = False


CUT, NOT_MADE = "cut", "not made"


def timeout_seconds(usual: float) -> float:
    """How long one call may take: wiki.yaml's models: {timeout: ...}, else what is usual for the backend."""
    return float((config().get("models") or {}).get("timeout") or usual)


class TooLong(ModelError):
    """The prompt is longer than the model can take. `tokens`: the prompt's, `most`: the model's; 0 where not known."""

    def __init__(self, message: str, tokens: int = 0, most: int = 0):
        super().__init__(message)
        self.tokens, self.most = tokens, most
