"""Text to tokens and back by a tokenizer.json, prompts in a model's own chat format, smaller vocabularies.

`prompt.json` beside it says how a chat turn is written: the text before and after a system and a user
message, and what opens the answer. `export` takes these from the model's chat template, so that
answering needs neither transformers nor jinja2.

    vocabulary = Vocabulary(folder)
    vocabulary.decode(vocabulary.encode("SELECT 1"))

A byte-level BPE model can be cut to fewer pieces. Of Qwen2.5's 151,936, English, SQL and the main European
languages use a quarter. The rest takes a third of the model's weights and a fifth of the time of every
new token. A piece that is cut is spelled by shorter ones, at worst by its bytes, so every text can still
be read and written.

    cut = cut_vocabulary(json.loads(tokenizer_json), lambda piece, number: number < 40_000)
    embeddings = embeddings[cut.pieces]      # rows of the pieces that stay, in their new order
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
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


# ------------------------------------------------------------------------------ smaller vocabularies


@cache
def byte_level_table() -> dict[str, bytes]:
    """Character -> byte of byte-level BPE: printable Latin-1 is itself, the rest follows 255."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): bytes([byte]) for byte in printable}
    return table | {chr(256 + i): bytes([byte]) for i, byte in enumerate(others)}


@dataclass(frozen=True, slots=True)
class CutVocabulary:
    """`tokenizer` is the tokenizer.json of the smaller vocabulary; `pieces` are the old ids, by new id."""

    tokenizer: dict[str, Any]
    pieces: tuple[int, ...]


def is_european(piece: str) -> bool:
    """Whether the text of a byte-level piece is ASCII or letters of the Latin script.

    Pieces of broken UTF-8 count: they spell what has no piece of its own.
    """
    table = byte_level_table()
    text = b"".join(table.get(char, char.encode()) for char in piece).decode(errors="replace")
    return all(
        ord(char) < 128 or char == "\ufffd" or "LATIN" in unicodedata.name(char, "")
        for char in text
    ) or text.strip() in ("€", "£", "°", "§", "–", "—", "’", "‘", "“", "”", "…", "·", "×", "²")


def cut_vocabulary(
    tokenizer: dict[str, Any], keep: Callable[[str, int], bool], special: tuple[str, ...]
) -> CutVocabulary:
    """The vocabulary of the pieces for which `keep(piece, id)` holds, of all that these are merged
    from, of single bytes, and of the special tokens named.

    `tokenizer` is the content of a tokenizer.json. Raises ModelError where it is no byte-level BPE.
    """
    model = tokenizer["model"]
    if model.get("type") != "BPE" or "ByteLevel" not in str(tokenizer.get("pre_tokenizer")):
        raise ModelError("only a byte-level BPE vocabulary can be cut; keep this model's whole")
    vocabulary: dict[str, int] = model["vocab"]
    merges = [tuple(m.split(" ", 1)) if isinstance(m, str) else tuple(m) for m in model["merges"]]
    parents: dict[str, tuple[str, ...]] = {}
    for pair in merges:
        parents.setdefault("".join(pair), pair)
    stay: set[str] = set(byte_level_table())
    waiting = [piece for piece, number in vocabulary.items() if keep(piece, number)]
    while waiting:
        piece = waiting.pop()
        if piece not in stay:
            stay.add(piece)
            waiting += parents.get(piece, ())
    names = {token["content"]: token for token in tokenizer["added_tokens"]}
    unknown = [name for name in special if name not in names]
    if unknown:
        raise ModelError(f"the tokenizer has no special token '{unknown[0]}'; name one it has")
    order = sorted((number, piece) for piece, number in vocabulary.items() if piece in stay)
    numbers = {piece: new for new, (_, piece) in enumerate(order)}
    added = [{**names[name], "id": len(order) + i} for i, name in enumerate(special)]
    smaller = dict(tokenizer)
    smaller["added_tokens"] = added
    smaller["model"] = {
        **model,
        "vocab": numbers,
        "merges": [list(p) for p in merges if {*p, "".join(p)} <= numbers.keys()],
    }
    pieces = (*(old for old, _ in order), *(int(names[name]["id"]) for name in special))
    return CutVocabulary(smaller, pieces)
