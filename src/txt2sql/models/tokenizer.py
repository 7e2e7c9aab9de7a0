"""Text to tokens and back by a tokenizer.json, and prompts in a model's own chat format.

`prompt.json` beside it says how a chat turn is written: the text before and after a system and a user
message, and what opens the answer. `export` takes these from the model's chat template, so that
answering needs neither transformers nor jinja2.

    vocabulary = Vocabulary(folder)
    vocabulary.decode(vocabulary.encode("SELECT 1"))
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from txt2sql.errors import ModelError
from txt2sql.types import Prompt


class Vocabulary:
    """The tokenizer of an exported model. It has what `constraint` asks of one of transformers, too."""

    def __init__(self, folder: Path) -> None:
        try:
            self.backend_tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            facts = json.loads((folder / "prompt.json").read_text(encoding="utf-8"))
        except Exception as problem:  # tokenizers raises plain Exception
            raise ModelError(
                f"the tokenizer in '{folder}' cannot be read ({problem}); install the model again"
            ) from problem
        self.chat: dict[str, list[str]] | None = facts.get("chat")
        self.end_ids = [int(each) for each in facts["end_ids"]]
        self.bos: list[int] = [int(each) for each in facts.get("bos", ())]
        self.bos_token_id = self.bos[0] if self.bos else None
        self.eos_token_id = self.end_ids[0]
        self.added_tokens_decoder: dict[int, Any] = (
            self.backend_tokenizer.get_added_tokens_decoder()
        )
        self.all_special_ids = [i for i, t in self.added_tokens_decoder.items() if t.special]

    def encode(self, text: str, *, first: bool = False) -> list[int]:
        """Token ids; `first`: with what the model wants before a text."""
        ids = list(self.backend_tokenizer.encode(text, add_special_tokens=False).ids)
        return [*self.bos, *ids] if first else ids

    def decode(self, tokens: Sequence[int], **_: Any) -> str:
        """The text of tokens without special ones; called as a tokenizer of transformers, too."""
        return str(self.backend_tokenizer.decode(list(tokens), skip_special_tokens=True))

    def get_vocab(self) -> dict[str, int]:
        """Pieces and their ids."""
        return dict(self.backend_tokenizer.get_vocab(with_added_tokens=True))

    def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
        """As a tokenizer of transformers is called."""
        return {"input_ids": self.encode(text)}

    def prompt_text(self, prompt: Prompt) -> tuple[str, str]:
        """The prompt as the model reads it, in two parts: of the database, and of the question."""
        if self.chat is None or not prompt.messages:
            return prompt.prefix, prompt.text[len(prompt.prefix) :]
        system, *rest = prompt.messages
        static = self._turn(system.role, system.content)
        turns = [self._turn(message.role, message.content) for message in rest]
        return static, "".join([*turns, *self.chat["answer"]])

    def _turn(self, role: str, content: str) -> str:
        assert self.chat is not None
        before, after = self.chat[role]
        return before + content + after


def input_text(tokenizer: Any, prompt: Prompt) -> tuple[str, bool]:
    """What a model reads for a prompt, and whether the tokenizer must add its special tokens.

    The chat template where tokenizer and prompt have one, else the plain text. Training uses this
    same function. A template without a system role gets its text before the user's.
    """
    if not prompt.messages or not getattr(tokenizer, "chat_template", None):
        return prompt.text, True
    from jinja2 import TemplateError

    turns = [{"role": m.role, "content": m.content} for m in prompt.messages]
    options = {"tokenize": False, "add_generation_prompt": True, "enable_thinking": False}
    try:
        return str(tokenizer.apply_chat_template(turns, **options)), False
    except TemplateError:
        merged = "\n\n".join(message.content for message in prompt.messages)
        turns = [{"role": "user", "content": merged}]
        return str(tokenizer.apply_chat_template(turns, **options)), False


def decode(tokenizer: Any, tokens: Sequence[int]) -> str:
    """The text of generated tokens without special tokens."""
    text = tokenizer.decode(
        list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return str(text)


def chat_format(tokenizer: Any) -> dict[str, list[str]] | None:
    """The texts around messages that a chat template writes, or None for a model without one.

    `tokenizer` is one of transformers. Raises ModelError for a template without a system message.
    """
    if not getattr(tokenizer, "chat_template", None):
        return None
    marks = {"system": "\u0001S\u0001", "user": "\u0001U\u0001"}
    turns = [{"role": role, "content": mark} for role, mark in marks.items()]
    options = {"tokenize": False, "add_generation_prompt": True, "enable_thinking": False}
    text = str(tokenizer.apply_chat_template(turns, **options))
    without = str(
        tokenizer.apply_chat_template(turns, **{**options, "add_generation_prompt": False})
    )
    if any(mark not in text for mark in marks.values()) or not text.startswith(without):
        raise ModelError("the chat template of this model takes no system message")
    before, _, rest = without.partition(marks["system"])
    between, _, after = rest.partition(marks["user"])
    # A system turn closes as a user's does; what is left of the text between opens the user's.
    closing = after
    if not between.startswith(closing):
        raise ModelError("the chat template of this model closes its turns in different ways")
    return {
        "system": [before, closing],
        "user": [between[len(closing) :], closing],
        "answer": [text[len(without) :]],
    }


def leading_tokens(tokenizer: Any) -> list[int]:
    """What a tokenizer of transformers puts before a text: a token that begins it, or nothing."""
    plain = tokenizer("SELECT", add_special_tokens=False)["input_ids"]
    whole = tokenizer("SELECT", add_special_tokens=True)["input_ids"]
    return list(whole[: len(whole) - len(plain)]) if whole[-len(plain) :] == plain else []
