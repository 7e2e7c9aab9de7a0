"""The tokenizer: symbols are whole, text comes back, and nothing is cut without need."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from txt2sql.training.tokenizer import build_tokenizer, keep_pieces, symbols

PIECES = [*"abcdefghijklmnopqrstuvwxyz0123456789()*=,.'", "##s", "##er", "sing", "select"]
PIECES += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789"]
TOKENIZER = build_tokenizer(PIECES)


def test_a_symbol_is_one_token_and_words_are_cut_as_bert_does() -> None:
    assert TOKENIZER.tokenize("Singers [c12]") == ["▁sing", "er", "s", "▁[c12]"]
    assert all(len(TOKENIZER.tokenize(symbol)) == 1 for symbol in symbols())


def test_a_symbol_beyond_the_vocabulary_is_not_taken_for_another() -> None:
    known = {f"▁{symbol}" for symbol in symbols()}
    assert not known & set(TOKENIZER.tokenize("[c160]"))


def test_an_answer_comes_back_as_it_was() -> None:
    text = "select [c3] , [c4] from [t0] where [c3] = ' singer 20 '"
    ids = TOKENIZER(text, add_special_tokens=False).input_ids
    assert TOKENIZER.decode(ids) == text


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    TOKENIZER.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    text = "Singers' [v0] | select"
    assert again(text).input_ids == TOKENIZER(text).input_ids
    assert again.bos_token_id == again(text).input_ids[0]


@given(st.text(max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    ids = TOKENIZER(text).input_ids
    assert ids[0] == TOKENIZER.bos_token_id
    assert all(0 <= i < len(TOKENIZER) for i in ids)


def test_pieces_kept_are_frequent_used_or_single_characters() -> None:
    vocabulary = ["[PAD]", "[UNK]", "the", "singer", "zebra", "##s", "q", "é"]
    kept = keep_pieces(vocabulary, ["singer singers singer"], base=1)
    assert kept == ["##s", "q", "the", "singer"]  # single characters stand in answers
