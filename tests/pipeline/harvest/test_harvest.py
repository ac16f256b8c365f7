"""A harvest equals direct model and SAE outputs, and mismatched inputs are refused."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from explorer.config import HarvestSettings
from explorer.errors import InputError, SubjectError
from explorer.lm.hooks.block_hooks import capture
from explorer.lm.model.fingerprint import subject_fingerprint
from explorer.lm.model.load import load_model
from explorer.lm.sae.autoencoder import Sae
from explorer.lm.sae.saelens import load_sae, save_sae
from explorer.lm.sae.training import TrainSaeSettings
from explorer.pipeline.harvest import code_shards
from explorer.pipeline.harvest.code_shards import CodeShards
from explorer.pipeline.harvest.harvest import harvest_text
from explorer.pipeline.harvest.stream_sample import StreamSample
from explorer.pipeline.harvest.train_sae import train_sae_on_text
from explorer.records.bundle import Codes, Concept, FeatureLabel, Tokens
from explorer.runs.bundle.reader import open_bundle
from tests.lm.model.tiny_tokenizers import word_tokenizer
from tests.lm.tiny import tiny_model

SETTINGS = HarvestSettings(layer=1, context=20, batch_tokens=40, residuals=15, shard_nnz=60)
DOCUMENTS = ["the old cat sat on the mat", "", "the dog", "by the door the old dog sat by the old cat " * 4, "cat ."]


def tiny_sae(d_model: int = 16, n_features: int = 24, **changes: object) -> Sae:
    rng = torch.Generator().manual_seed(1)
    W_dec = torch.randn(n_features, d_model, generator=rng)
    sae = Sae("topk", W_dec.T.contiguous(), torch.zeros(n_features), W_dec, torch.randn(d_model, generator=rng), k=3)
    return replace(sae, **changes)


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model/, sae/ and text.json."""
    folder = tmp_path_factory.mktemp("subject")
    tiny_model("llama").save_pretrained(folder / "model")
    word_tokenizer().save_pretrained(folder / "model")
    save_sae(folder / "sae", replace(tiny_sae(), neuronpedia_id="tiny/1-res"))
    (folder / "text.json").write_text(json.dumps(DOCUMENTS))
    return folder


def run(subject: Path, out: Path, settings: HarvestSettings = SETTINGS, **changes: object) -> Path:
    arguments = {"model": str(subject / "model"), "sae": str(subject / "sae"), "text": str(subject / "text.json")}
    return harvest_text(**(arguments | changes), out=out, settings=settings)


def dense(codes: Codes) -> np.ndarray:
    found = np.zeros((codes.n_tokens, codes.n_features), np.float32)
    for token in range(codes.n_tokens):
        entries = slice(codes.indptr[token], codes.indptr[token + 1])
        found[token, codes.features[entries]] = codes.values[entries]
    return found


def recomputed(model: str, sae: str, tokens: Tokens, settings: HarvestSettings) -> np.ndarray:
    """Codes of each document from its own forward pass, cut as in the settings."""
    loaded, autoencoder, codes = load_model(model), load_sae(sae), []
    for first, last in zip(tokens.doc_offsets[:-1], tokens.doc_offsets[1:], strict=True):
        ids = tokens.token_ids[first:last].tolist()
        pieces = [(ids[: settings.context], 0)]
        step = settings.context - 1
        pieces += [(ids[:1] + ids[at : at + step], 1) for at in range(settings.context, len(ids), step)]
        for piece, skip in pieces:
            with torch.no_grad(), capture(loaded.model, settings.layer, settings.hook) as recorder:
                loaded.model(torch.tensor([piece]))
            codes.append(autoencoder.encode(recorder.activation[0, skip:]).numpy())
    return np.concatenate(codes)


def test_codes_equal_the_sae_on_a_forward_pass_of_each_document(
    subject: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_shards, "_DENSE_CELLS", 24 * 10)
    bundle = open_bundle(run(subject, tmp_path / "bundle"))
    bundle.verify()
    tokens = bundle.tokens()
    texts = ["".join(tokens.vocabulary.text(int(token)) for token in tokens.token_ids[first:last])
             for first, last in zip(tokens.doc_offsets[:-1], tokens.doc_offsets[1:], strict=True)]  # fmt: skip
    assert [text.replace("<s>", "").split() for text in texts] == [text.split() for text in DOCUMENTS if text]
    wanted = recomputed(str(subject / "model"), str(subject / "sae"), tokens, SETTINGS)
    np.testing.assert_allclose(dense(bundle.codes()), wanted, rtol=2e-3, atol=2e-3)
    assert len([name for name in bundle.sha256 if name.startswith("codes-")]) == 3  # 59 tokens, 3 codes each


def test_stored_activations_belong_to_their_tokens(subject: Path, tmp_path: Path) -> None:
    bundle = open_bundle(run(subject, tmp_path / "bundle"))
    stored, tokens, sae = bundle.residuals(), bundle.tokens(), load_sae(subject / "sae")
    assert len(stored.token_index) == SETTINGS.residuals
    assert not np.isin(tokens.token_ids[stored.token_index], bundle.extra["special_token_ids"]).any()
    codes = sae.encode(torch.from_numpy(stored.values.astype(np.float32))).numpy()
    np.testing.assert_allclose(codes, dense(bundle.codes())[stored.token_index], rtol=0.02, atol=0.02)


def test_the_manifest_names_subject_settings_and_dropped_counts(subject: Path, tmp_path: Path) -> None:
    bundle = open_bundle(run(subject, tmp_path / "bundle"))
    loaded, sae = load_model(str(subject / "model")), load_sae(subject / "sae")
    assert bundle.extra["subject"] == {
        "fingerprint": subject_fingerprint(loaded.model, loaded.tokenizer, sae, 1, "resid_post"),
        "model_path": str(subject / "model"),
        "sae_path": str(subject / "sae"),
    }
    assert bundle.extra["settings"] == SETTINGS.model_dump()
    assert bundle.extra["dropped"]["documents_without_text"] == 1
    assert (bundle.dataset.name, bundle.dataset.n_docs) == ("text.json", 4)
    assert (bundle.sae.architecture, bundle.sae.neuronpedia_id) == ("topk", "tiny/1-res")
    assert (bundle.model.layer, bundle.model.hook, bundle.model.d_model, bundle.model.n_layers) == (
        1, "resid_post", 16, 3,
    )  # fmt: skip
    np.testing.assert_array_equal(bundle.decoder().W_dec, sae.W_dec.numpy())


def test_a_harvest_is_reproducible_and_the_seed_determines_the_sample(subject: Path, tmp_path: Path) -> None:
    first, again = (open_bundle(run(subject, tmp_path / name)) for name in "ab")
    assert first.sha256 == again.sha256
    other = open_bundle(run(subject, tmp_path / "c", SETTINGS.model_copy(update={"seed": 1})))
    differ = {name for name in first.sha256 if first.sha256[name] != other.sha256[name]}
    assert differ == {"activations.safetensors"}


def test_batch_and_shard_sizes_change_no_content(subject: Path, tmp_path: Path) -> None:
    small = open_bundle(run(subject, tmp_path / "a"))
    large = SETTINGS.model_copy(update={"batch_tokens": 8192, "shard_nnz": 10**6})
    whole = open_bundle(run(subject, tmp_path / "b", large))
    assert "codes.safetensors" in whole.sha256
    np.testing.assert_allclose(dense(small.codes()), dense(whole.codes()), rtol=2e-3, atol=2e-3)
    np.testing.assert_array_equal(small.residuals().token_index, whole.residuals().token_index)


def test_concepts_and_labels_are_written(subject: Path, tmp_path: Path) -> None:
    def cats(tokens: Tokens) -> Iterator[Concept]:
        for place, token in enumerate(tokens.token_ids):
            if tokens.vocabulary.text(int(token)).strip() == "cat":
                yield Concept(place, "animal", "cat", None, None)

    label = FeatureLabel(3, "cats", "a person")
    bundle = open_bundle(run(subject, tmp_path / "bundle", concepts=cats, labels=[label]))
    assert len(bundle.concepts()) == 6
    assert {concept.value for concept in bundle.concepts()} == {"cat"}
    assert bundle.labels() == (label,)


def test_progress_ends_with_the_last_document(subject: Path, tmp_path: Path) -> None:
    calls: list[tuple[str, int, int | None]] = []
    run(subject, tmp_path / "a", progress=lambda *step: calls.append(step))
    assert calls[-1] == ("harvest", 4, 5)
    run(subject, tmp_path / "b", SETTINGS.model_copy(update={"max_tokens": 9}), progress=lambda *at: calls.append(at))
    assert calls[-1][0] == "harvest"
    assert calls[-1][2] == 9


@pytest.mark.parametrize(
    ("changes", "settings", "message"),
    [
        ({"d_model": 8}, {}, r"8.*16"),
        ({"hook_name": "blocks.2.hook_resid_post"}, {}, r"blocks\.2.*blocks\.1"),
        ({"normalize_activations": "expected_average_only_in"}, {}, "activation_scaler.json"),
        ({}, {"layer": 3}, "layer 3.*0 to 2"),
    ],
)
def test_a_mismatched_subject_is_refused_and_nothing_is_written(
    subject: Path, tmp_path: Path, changes: dict[str, object], settings: dict[str, object], message: str
) -> None:
    save_sae(tmp_path / "sae", tiny_sae(**changes))
    with pytest.raises(SubjectError, match=message):
        run(subject, tmp_path / "bundle", SETTINGS.model_copy(update=settings), sae=str(tmp_path / "sae"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sae"]


def test_broken_text_leaves_nothing_behind(subject: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.jsonl"
    text.write_text('{"text": "the cat"}\n' * 50 + '{"text": 3}\n')
    with pytest.raises(InputError, match=r"text\.jsonl:51"):
        run(subject, tmp_path / "bundle", text=str(text))
    text.write_text("\n")
    with pytest.raises(InputError, match="no text"):
        run(subject, tmp_path / "bundle", text=str(text))
    assert [path.name for path in tmp_path.iterdir()] == ["text.jsonl"]


def sample(windows: list[int], size: int = 40, seed: int = 5) -> StreamSample:
    found, first = StreamSample(size, 1, np.random.default_rng(seed)), 0
    for length in windows:
        rows = torch.arange(first, first + length, dtype=torch.float32)[:, None]
        found.offer(rows, np.arange(first, first + length) % 2 == 0, first)
        first += length
    return found


def test_a_stream_sample_depends_only_on_seed_and_stream() -> None:
    whole, pieces = sample([1000]), sample([1, 300, 99, 600])
    assert whole.index.tolist() == pieces.index.tolist() == sorted(pieces.index.tolist())
    assert whole.rows[:, 0].tolist() == whole.index.tolist()
    assert len(whole.index) == 40
    assert not (whole.index % 2).any()
    assert sample([1000], seed=6).index.tolist() != whole.index.tolist()
    assert len(sample([30]).index) == 15


def test_a_stream_sample_is_uniform() -> None:
    counts = np.zeros(10)
    for seed in range(200):
        counts += np.histogram(sample([37] * 10, size=20, seed=seed).index, bins=10, range=(0, 370))[0]
    assert abs(counts / counts.mean() - 1).max() < 0.2  # 400 per bin: four standard deviations are 0.2


def test_activations_beyond_float16_are_counted_and_dropped() -> None:
    found = StreamSample(5, 2, np.random.default_rng(0))
    found.offer(torch.tensor([[1.0, 2.0], [7e4, 0.0], [-7e4, 0.0], [65504.0, 3.0]]), np.ones(4, bool), 0)
    assert found.index.tolist() == [0, 3]
    assert found.n_beyond == 2
    assert np.isfinite(found.rows).all()


def shards_of(codes: torch.Tensor, shard_nnz: int) -> tuple[CodeShards, list[tuple[np.ndarray, ...]]]:
    """The shards written for given codes, by an SAE that passes its input through."""
    n = codes.shape[1]
    same = Sae("standard", torch.eye(n), torch.zeros(n), torch.eye(n), torch.zeros(n))
    written: list[tuple[np.ndarray, ...]] = []
    shards = CodeShards(same, lambda *arrays: written.append(arrays), shard_nnz)
    for part in torch.split(codes, 2):
        shards.add(part)
    shards.flush()
    return shards, written


def test_values_beyond_float16_stay_float32_and_underflows_are_counted() -> None:
    shards, written = shards_of(torch.tensor([[1.0, 0.0, 1e-9], [0.0, 0.0, 2.0], [1e5, 1e-9, 0.0]]), 3)
    assert [values.dtype for _, _, values in written] == [np.float16, np.float32]
    assert [indptr.tolist() for indptr, _, _ in written] == [[0, 1, 2], [0, 2]]
    assert [features.tolist() for _, features, _ in written] == [[0, 2], [0, 1]]
    assert shards.n_underflow == 1


def test_a_real_model_from_text_to_bundle(shared_data: Path, tmp_path: Path) -> None:
    model, text = str(shared_data / "stories260k"), str(shared_data / "tinystories-1000.json")
    settings = HarvestSettings(layer=2, max_tokens=6000, context=128, residuals=500)
    training = TrainSaeSettings(n_features=256, k=8, steps=150, batch=512)
    report = train_sae_on_text(model, text, tmp_path / "sae", settings, training)
    bundle = open_bundle(harvest_text(model, str(tmp_path / "sae"), text, tmp_path / "bundle", settings))
    assert report["unexplained"] < 0.3
    assert report["n_samples"] == bundle.counts.n_tokens - bundle.counts.n_docs  # `<s>` is not trained on
    tokens = bundle.tokens()
    first_story = json.loads(Path(text).read_text())[0]
    start = "".join(tokens.vocabulary.text(int(token)) for token in tokens.token_ids[1 : tokens.doc_offsets[1]])
    assert start.strip() == first_story.strip()
    codes = dense(bundle.codes())
    wanted = recomputed(model, str(tmp_path / "sae"), tokens, settings)
    np.testing.assert_allclose(codes, wanted, rtol=2e-3, atol=5e-3)
    decoder, stored = bundle.decoder(), bundle.residuals()
    rebuilt = codes[stored.token_index] @ decoder.W_dec + decoder.b_dec
    real = stored.values.astype(np.float64)
    assert ((real - rebuilt) ** 2).sum() / ((real - real.mean(0)) ** 2).sum() < 0.35
