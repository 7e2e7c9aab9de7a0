"""Text to tokens and back, prompts in a model's own chat format, smaller vocabularies.

`prompt.json` beside a tokenizer.json says how a chat turn is written: `export` takes it from the model's
chat template, so that answering needs neither transformers nor jinja2. A byte-level BPE model can be cut
to fewer pieces: of Qwen2.5's 151,936, English, SQL and the main European languages use a quarter. A piece
that is cut is spelled by shorter ones, at worst by its bytes.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, pre_tokenizers

from txt2sql.errors import ModelError
from txt2sql.types import Prompt


class Vocabulary:
    """A tokenizer, the tokens that end an answer, those that begin a text, and the texts around the
    messages of a chat, by role."""

    def __init__(
        self,
        backend: Tokenizer,
        end_ids: Sequence[int],
        bos: Sequence[int] = (),
        chat: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.backend, self.end_ids, self.bos = backend, list(end_ids), list(bos)
        self.chat = chat

    @classmethod
    def load(cls, folder: Path) -> Vocabulary:
        try:
            backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
            facts = json.loads((folder / "prompt.json").read_text(encoding="utf-8"))
            return cls(backend, facts["end_ids"], facts.get("bos", ()), facts.get("chat"))
        except Exception as problem:  # tokenizers raises plain Exception
            raise ModelError(
                f"the tokenizer in '{folder}' cannot be read ({problem}); install the model again"
            ) from problem

    def encode(self, text: str, *, first: bool = False) -> list[int]:
        """Token ids; `first`: with what the model wants before a text."""
        ids = self.backend.encode(text, add_special_tokens=False).ids
        return [*self.bos, *ids] if first else ids

    def decode(self, tokens: Sequence[int]) -> str:
        return str(self.backend.decode(tokens, skip_special_tokens=True))

    def prompt_text(self, prompt: Prompt) -> tuple[str, str]:
        """The prompt as the model reads it, in two parts: of the database, and of the question."""
        if self.chat is None or not prompt.messages:
            return prompt.prefix, prompt.text[len(prompt.prefix) :]
        turns = []
        for message in prompt.messages:
            before, after = self.chat[message.role]
            turns.append(before + message.content + after)
        return turns[0], "".join([*turns[1:], *self.chat["answer"]])


def input_text(tokenizer: Any, prompt: Prompt) -> tuple[str, bool]:
    """What a model reads for a prompt, by its chat template where there is one, and whether the
    tokenizer must add its special tokens. A template without a system role gets its text before the
    user's."""
    if not prompt.messages or not getattr(tokenizer, "chat_template", None):
        return prompt.text, True
    from jinja2 import TemplateError

    turns = [(m.role, m.content) for m in prompt.messages]
    try:
        return _rendered(tokenizer, turns), False
    except TemplateError:
        merged = "\n\n".join(message.content for message in prompt.messages)
        return _rendered(tokenizer, [("user", merged)]), False


def _rendered(tokenizer: Any, turns: Sequence[tuple[str, str]], answer: bool = True) -> str:
    messages = [{"role": role, "content": content} for role, content in turns]
    options = {"tokenize": False, "add_generation_prompt": answer, "enable_thinking": False}
    return str(tokenizer.apply_chat_template(messages, **options))


def chat_format(tokenizer: Any) -> dict[str, list[str]] | None:
    """The texts around messages that a chat template of transformers writes, None where there is
    none. Raises ModelError for a template without a system message."""
    if not getattr(tokenizer, "chat_template", None):
        return None
    system, user = "\u0001S\u0001", "\u0001U\u0001"
    turns = [("system", system), ("user", user)]
    whole, without = (_rendered(tokenizer, turns, answer) for answer in (True, False))
    if system not in whole or user not in whole or not whole.startswith(without):
        raise ModelError("the chat template of this model takes no system message")
    before, _, rest = without.partition(system)
    between, _, closing = rest.partition(user)
    # A system turn closes as a user's does; what is left of the text between opens the user's.
    if not between.startswith(closing):
        raise ModelError("the chat template of this model closes its turns in different ways")
    return {
        "system": [before, closing],
        "user": [between[len(closing) :], closing],
        "answer": [whole[len(without) :]],
    }


def leading_tokens(tokenizer: Any) -> list[int]:
    """What a tokenizer of transformers puts before a text: a token that begins it, or nothing."""
    plain = tokenizer("SELECT", add_special_tokens=False)["input_ids"]
    whole = tokenizer("SELECT", add_special_tokens=True)["input_ids"]
    return list(whole[: len(whole) - len(plain)]) if whole[-len(plain) :] == plain else []


def is_european(piece: str) -> bool:
    """Whether the text of a byte-level piece is ASCII or letters of the Latin script. Pieces of
    broken UTF-8 count: they spell what has no piece of its own."""
    text = decoders.ByteLevel().decode([piece])
    return all(
        ord(char) < 128 or char == "\ufffd" or "LATIN" in unicodedata.name(char, "")
        for char in text
    ) or text.strip() in ("€", "£", "°", "§", "–", "—", "’", "‘", "“", "”", "…", "·", "×", "²")


def cut_vocabulary(
    tokenizer: dict[str, Any], keep: Callable[[str, int], bool], special: tuple[str, ...]
) -> tuple[dict[str, Any], tuple[int, ...]]:
    """A smaller tokenizer.json, and its pieces' old ids by new id: those for which `keep(piece,
    id)` holds, all that they are merged from, single bytes and `special` tokens. Raises
    ModelError."""
    model = tokenizer["model"]
    if model.get("type") != "BPE" or "ByteLevel" not in str(tokenizer.get("pre_tokenizer")):
        raise ModelError("only a byte-level BPE vocabulary can be cut; keep this model's whole")
    names = {token["content"]: token for token in tokenizer["added_tokens"]}
    if unknown := [name for name in special if name not in names]:
        raise ModelError(f"the tokenizer has no special token '{unknown[0]}'; name one it has")
    vocabulary: dict[str, int] = model["vocab"]
    merges = [tuple(m.split(" ", 1)) if isinstance(m, str) else tuple(m) for m in model["merges"]]
    parents: dict[str, tuple[str, ...]] = {}
    for pair in merges:
        parents.setdefault("".join(pair), pair)
    stay = set(pre_tokenizers.ByteLevel.alphabet())
    waiting = [piece for piece, number in vocabulary.items() if keep(piece, number)]
    while waiting:
        piece = waiting.pop()
        if piece not in stay:
            stay.add(piece)
            waiting += parents.get(piece, ())
    order = sorted((number, piece) for piece, number in vocabulary.items() if piece in stay)
    numbers = {piece: new for new, (_, piece) in enumerate(order)}
    smaller = {
        **tokenizer,
        "added_tokens": [{**names[n], "id": len(order) + i} for i, n in enumerate(special)],
        "model": {
            **model,
            "vocab": numbers,
            "merges": [list(p) for p in merges if {*p, "".join(p)} <= numbers.keys()],
        },
    }
    pieces = (*(old for old, _ in order), *(int(names[name]["id"]) for name in special))
    return smaller, pieces
