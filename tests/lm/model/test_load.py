"""A model loads from its folder alone, and a folder without one is reported in one line."""

import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers.utils import logging as transformers_logging

from explorer.errors import SubjectError
from explorer.lm.model.fingerprint import subject_fingerprint, weights_digest
from explorer.lm.model.load import LoadedModel, blocks, load_model
from explorer.lm.sae.autoencoder import Sae
from explorer.lm.sae.saelens import load_sae, save_sae
from tests.lm.model.tiny_tokenizers import byte_tokenizer, word_tokenizer
from tests.lm.tiny import REFUSED, TINY, tiny_model


def saved(folder: Path, name: str = "llama") -> str:
    model = tiny_model(name)
    model.save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("loading a folder must not use the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_a_folder_loads_as_a_model(tmp_path: Path, name: str) -> None:
    loaded = load_model(saved(tmp_path, name))
    assert (loaded.id, loaded.revision, loaded.d_model, loaded.n_layers) == (str(tmp_path), "", 16, 3)
    assert (loaded.max_context, loaded.device, loaded.dtype) == (64, torch.device("cpu"), torch.float32)
    assert not loaded.model.training
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
    ids = torch.tensor([[1, 4, 5]])
    assert torch.equal(loaded.model(ids).logits, tiny_model(name)(ids).logits)


@pytest.mark.parametrize("name", sorted(TINY | REFUSED))
def test_blocks_are_found_in_every_architecture(name: str) -> None:
    found = blocks(tiny_model(name))
    assert len(found) == 3
    assert len({type(block).__name__ for block in found}) == 1
    assert "Layer" in type(found[0]).__name__ or "Block" in type(found[0]).__name__


def test_a_model_without_a_list_of_blocks_is_named() -> None:
    model = tiny_model("llama")
    model.config.num_hidden_layers = 7
    with pytest.raises(SubjectError, match=r"LlamaForCausalLM.*7 blocks of one type"):
        blocks(model)


def test_loading_restores_the_progress_bar_setting(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder, before = saved(tmp_path), transformers_logging.is_progress_bar_enabled()
    capfd.readouterr()
    load_model(folder)
    assert transformers_logging.is_progress_bar_enabled() == before
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("damage", ["empty", "no weights", "pickle only", "truncated", "no tokenizer", "own code"])
def test_a_folder_without_a_valid_model_is_reported_in_one_line(tmp_path: Path, damage: str) -> None:
    weights = tmp_path / "model.safetensors"
    if damage != "empty":
        saved(tmp_path)
    if damage in ("no weights", "pickle only"):
        weights.unlink()
    if damage == "pickle only":
        torch.save(tiny_model("llama").state_dict(), tmp_path / "pytorch_model.bin")
    if damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:1000])
    if damage == "no tokenizer":
        for file in tmp_path.glob("tokenizer*"):
            file.unlink()
    if damage == "own code":
        config = json.loads((tmp_path / "config.json").read_text())
        config |= {"model_type": "own", "auto_map": {"AutoModelForCausalLM": "own.Own", "AutoConfig": "own.Config"}}
        (tmp_path / "config.json").write_text(json.dumps(config))
        (tmp_path / "own.py").write_text("raise SystemExit('ran code from the folder')")
    with pytest.raises(SubjectError) as caught:
        load_model(str(tmp_path))
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["/no/such/folder", "./no-such-folder", "a/b/c"])
def test_a_missing_path_is_not_looked_up_as_an_id(no_network: None, path: str) -> None:  # noqa: ARG001
    with pytest.raises(SubjectError, match="no such folder"):
        load_model(path)


@pytest.mark.parametrize("absent", ["no-such-device", "cuda:99", "meta"])
def test_a_missing_device_is_reported(tmp_path: Path, absent: str) -> None:
    with pytest.raises(SubjectError, match=f"device: found '{absent}', wanted cpu"):
        load_model(saved(tmp_path), device=absent)


def sae(value: float = 0.5) -> Sae:
    return Sae("standard", torch.full((16, 4), value), torch.zeros(4), torch.ones(4, 16), torch.zeros(16))


def fingerprint(loaded: LoadedModel, changed: Sae | None = None, layer: int = 1, hook: str = "resid_post") -> str:
    return subject_fingerprint(loaded.model, loaded.tokenizer, changed or sae(), layer, hook, weights=loaded.weights)


def test_different_subjects_have_different_fingerprints(tmp_path: Path) -> None:
    loaded = load_model(saved(tmp_path))
    first = fingerprint(loaded)
    assert first.startswith("sha256:")
    assert len(first) == len("sha256:") + 64
    assert fingerprint(load_model(str(tmp_path))) == first
    others = {first, fingerprint(loaded, sae(0.25)), fingerprint(loaded, layer=2), fingerprint(loaded, hook="mlp_out")}
    other_words = subject_fingerprint(loaded.model, byte_tokenizer(), sae(), 1, "resid_post")
    loaded.model.get_input_embeddings().weight.data[3, 4] += 1e-6
    other_weights = subject_fingerprint(loaded.model, loaded.tokenizer, sae(), 1, "resid_post")
    assert len(others | {other_words, other_weights}) == 6


def test_an_sae_has_the_same_fingerprint_in_memory_and_from_disk(tmp_path: Path) -> None:
    loaded = load_model(saved(tmp_path))
    for k in (2, 2.0, 2.5):
        made = replace(sae(), architecture="batchtopk", k=k)
        save_sae(tmp_path / "sae", made)
        assert fingerprint(loaded, made) == fingerprint(loaded, load_sae(tmp_path / "sae"))


def test_a_lower_compute_precision_keeps_the_fingerprint_but_rounded_weights_change_it(tmp_path: Path) -> None:
    exact, rounded = load_model(saved(tmp_path)), load_model(str(tmp_path), dtype="bfloat16")
    assert next(rounded.model.parameters()).dtype == torch.bfloat16
    assert fingerprint(exact) == fingerprint(rounded)
    assert weights_digest(rounded.model) != exact.weights == weights_digest(exact.model)


def test_a_real_model_reproduces_its_published_text(shared_data: Path) -> None:
    loaded = load_model(str(shared_data / "stories260k"))
    ids = loaded.tokenizer("Once upon a time", return_tensors="pt")["input_ids"]
    answer = loaded.model.generate(ids, max_new_tokens=58, do_sample=False, pad_token_id=2)
    text = loaded.tokenizer.decode(answer[0], skip_special_tokens=True).strip()
    assert text.startswith(
        "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she "
        "saw a big, red ball. She wanted to play with it, but it was too high."
    )
