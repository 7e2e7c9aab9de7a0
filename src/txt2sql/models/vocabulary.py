"""A smaller vocabulary for a byte-level BPE model: fewer pieces, the same text.

Of Qwen2.5's 151,936 pieces, English, SQL and the main European languages use a quarter. The rest takes
a third of the model's weights and a fifth of the time of every new token. A piece that is cut is
spelled by shorter ones, at worst by its bytes, so every text can still be read and written.

    cut = cut_vocabulary(json.loads(tokenizer_json), lambda piece, number: number < 40_000)
    embeddings = embeddings[cut.pieces]      # rows of the pieces that stay, in their new order
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from txt2sql.errors import ModelError
from txt2sql.models.constraint import byte_level_table


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
