"""The tokenizer has one token per word and decodes to the original text."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from explorer.demo.corpus.almanac import SCALES
from explorer.demo.corpus.documents import documents
from explorer.demo.tokenizer import BOS, save_tokenizer, vocabulary, words_of


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    folder = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(folder, context=128)
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def test_text_round_trips(tokenizer: PreTrainedTokenizerBase) -> None:
    for text in documents(500, np.random.default_rng(2)):
        ids = tokenizer(text)["input_ids"]
        assert ids[0] == tokenizer.bos_token_id
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids, skip_special_tokens=True) == text
        assert tokenizer.convert_ids_to_tokens(ids) == [BOS, *words_of(text)]


def test_every_value_is_one_token(tokenizer: PreTrainedTokenizerBase) -> None:
    for scale in SCALES:
        for value in scale.values:
            assert tokenizer.convert_ids_to_tokens(tokenizer(value)["input_ids"]) == [BOS, value]


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40))
def test_any_text_can_be_tokenized(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    assert tokenizer(text)["input_ids"][0] == tokenizer.bos_token_id


def test_saved_settings(tokenizer: PreTrainedTokenizerBase) -> None:
    assert len(tokenizer) == len(vocabulary()) == len(set(vocabulary()))
    assert tokenizer.model_max_length == 128
    assert tokenizer.padding_side == "right"
    assert Path(tokenizer.name_or_path, "tokenizer.json").is_file()
