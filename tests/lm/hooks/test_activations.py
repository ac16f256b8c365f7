"""Streamed activations equal those of each document run alone, in the order of the text."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from explorer.errors import SubjectError
from explorer.lm.hooks.activations import StreamSettings, Window, added_token_ids, stream_activations
from explorer.lm.hooks.block_hooks import capture
from explorer.lm.model.load import LoadedModel, load_model
from tests.lm.model.tiny_tokenizers import word_tokenizer
from tests.lm.tiny import tiny_model

WORDS = ("the", "old", "cat", "sat", "on", "mat", "dog", "by", "door")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = tmp_path_factory.mktemp("model")
    tiny_model("llama").save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return load_model(str(folder))


def alone(loaded: LoadedModel, ids: list[int], place: StreamSettings) -> torch.Tensor:
    with torch.no_grad(), capture(loaded.model, place.layer, place.hook) as recorder:
        loaded.model(torch.tensor([ids]))
    return recorder.activation[0]


def joined(windows: list[Window]) -> tuple[list[int], torch.Tensor, list[int]]:
    ids = np.concatenate([window.token_ids for window in windows]).tolist()
    lengths = np.concatenate([window.doc_lengths for window in windows]).tolist()
    return ids, torch.cat([window.activations for window in windows]), lengths


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.integers(1, 14), min_size=1, max_size=12),
    batch_tokens=st.integers(1, 60),
    hook=st.sampled_from(["resid_pre", "resid_post", "attn_out", "mlp_out"]),
    seed=st.integers(0, 2**31),
)
def test_every_token_has_the_activation_of_its_own_document(
    loaded: LoadedModel, lengths: list[int], batch_tokens: int, hook: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    documents = [" ".join(rng.choice(WORDS, length)) for length in lengths]
    place = StreamSettings(1, hook, 64, batch_tokens)
    ids, activations, doc_lengths = joined(list(stream_activations(loaded, documents, place)))
    wanted = [loaded.tokenizer(document)["input_ids"] for document in documents]
    assert ids == [token for document in wanted for token in document]
    assert doc_lengths == [len(document) for document in wanted]
    expected = torch.cat([alone(loaded, document, place) for document in wanted])
    torch.testing.assert_close(activations, expected, rtol=1e-4, atol=1e-5)


def test_a_long_document_is_cut_and_each_piece_repeats_the_special_tokens(loaded: LoadedModel) -> None:
    document = " ".join(WORDS * 3)
    ids = loaded.tokenizer(document)["input_ids"]
    place = StreamSettings(2, "resid_post", 10, 100)
    found, activations, lengths = joined(list(stream_activations(loaded, [document], place)))
    assert found == ids
    assert lengths == [28]
    begin = ids[:1]
    pieces = [alone(loaded, ids[:10], place)]
    pieces += [alone(loaded, begin + ids[start : start + 9], place)[1:] for start in (10, 19)]
    torch.testing.assert_close(activations, torch.cat(pieces), rtol=1e-4, atol=1e-5)


def test_the_context_is_capped_by_the_model(loaded: LoadedModel) -> None:
    document = " ".join(WORDS * 20)  # 181 tokens, the model reads 64
    stream_settings = StreamSettings(0, "resid_post", 500, 1000)
    found, activations, _ = joined(list(stream_activations(loaded, [document], stream_settings)))
    assert len(found) == len(activations) == 181


@pytest.mark.parametrize(("most", "expected"), [(1, 0), (7, 7), (8, 8), (9, 8), (26, 26)])
def test_max_tokens_holds_and_reads_no_further_document(loaded: LoadedModel, most: int, expected: int) -> None:
    read: list[int] = []

    def documents() -> object:
        for number in range(100):
            read.append(number)
            yield "the old cat sat on the mat"  # 8 tokens with <s>

    windows = list(stream_activations(loaded, documents(), StreamSettings(0, "resid_post", 64, 100), max_tokens=most))
    assert sum(len(window.token_ids) for window in windows) == expected
    assert len(read) == -(-most // 8)


def test_documents_without_text_are_skipped_and_special_tokens_are_marked(loaded: LoadedModel) -> None:
    windows = list(stream_activations(loaded, ["", "cat zebra", " \n "], StreamSettings(0, "resid_post", 64, 100)))
    assert [window.doc_lengths.tolist() for window in windows] == [[3]]
    assert windows[0].special.tolist() == [True, False, False]  # an unknown word counts as text
    assert added_token_ids(loaded.tokenizer) == {1, 2}
    assert list(stream_activations(loaded, ["", ""], StreamSettings(0, "resid_post", 64, 100))) == []


def test_activations_that_are_not_finite_are_an_error(loaded: LoadedModel, tmp_path: Path) -> None:
    broken = tiny_model("llama")
    broken.model.layers[0].mlp.down_proj.weight.data[:] = float("inf")
    broken.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)
    stream = stream_activations(load_model(str(tmp_path)), ["the cat"], StreamSettings(0, "resid_post", 64, 100))
    with pytest.raises(SubjectError, match=r"layer 0.*NaN or infinite"):
        list(stream)


def test_a_missing_layer_is_reported_before_any_text_is_read(loaded: LoadedModel) -> None:
    def documents() -> object:
        raise AssertionError("read")
        yield ""

    with pytest.raises(SubjectError, match="layer 9"):
        list(stream_activations(loaded, documents(), StreamSettings(9, "resid_post", 64, 100)))
