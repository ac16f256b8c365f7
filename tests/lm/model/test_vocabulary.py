"""Display texts of tokens reproduce the text, word-initial spaces included."""

import pytest

from explorer.lm.model.vocabulary import display_texts
from tests.lm.model import tiny_tokenizers
from tests.lm.model.tiny_tokenizers import TEXT, byte_tokenizer, metaspace_tokenizer, word_tokenizer

PLAIN = "the old dog sat on the mat"


@pytest.mark.parametrize("kind", ["byte_tokenizer", "metaspace_tokenizer", "word_tokenizer"])
def test_display_texts_concatenate_to_the_original_text(kind: str) -> None:
    tokenizer = getattr(tiny_tokenizers, kind)()
    texts = display_texts(tokenizer)
    ids = tokenizer(PLAIN, add_special_tokens=False)["input_ids"]
    assert "".join(texts[number] for number in ids).strip() == PLAIN
    assert any(texts[number].startswith(" ") for number in ids)
    assert len(texts) == len(tokenizer)


def test_special_tokens_show_their_names() -> None:
    texts = display_texts(word_tokenizer())
    assert texts[:3] == ["<unk>", "<s>", "</s>"]
    assert display_texts(byte_tokenizer())[0] == "<|endoftext|>"


def test_a_partial_character_shows_its_name_instead_of_a_replacement_character() -> None:
    for tokenizer in (byte_tokenizer(), metaspace_tokenizer()):
        texts = display_texts(tokenizer)
        assert not any("\N{REPLACEMENT CHARACTER}" in text for text in texts)
    metaspace = metaspace_tokenizer()
    assert display_texts(metaspace)[metaspace.convert_tokens_to_ids("<0xC3>")] == "<0xC3>"
    assert display_texts(metaspace)[metaspace.convert_tokens_to_ids("<0x0A>")] == "\n"


def test_characters_beyond_ascii_are_shown_unchanged() -> None:
    tokenizer = word_tokenizer()
    texts = display_texts(tokenizer)
    for word in ("Über", "naïve", "cafés", "猫"):
        assert texts[tokenizer.convert_tokens_to_ids(word)].strip() == word
    assert word in TEXT
