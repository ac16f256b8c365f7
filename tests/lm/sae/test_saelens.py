"""Each architecture's formula against a reference written by hand, and SAELens' layout read, written and refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from explorer.errors import SubjectError
from explorer.lm.sae.autoencoder import check_trained_hook, check_width
from explorer.lm.sae.saelens import Sae, load_sae, save_sae

D_MODEL, FEATURE = 5, 12
Array = np.ndarray


def make_sae(architecture: str = "standard", seed: int = 0, **changes: object) -> Sae:
    rng = torch.Generator().manual_seed(seed)
    sae = Sae(
        architecture=architecture,
        W_enc=torch.randn(D_MODEL, FEATURE, generator=rng),
        b_enc=torch.randn(FEATURE, generator=rng),
        W_dec=torch.randn(FEATURE, D_MODEL, generator=rng),
        b_dec=torch.randn(D_MODEL, generator=rng),
        threshold=torch.rand(FEATURE, generator=rng) if architecture in ("jumprelu", "batchtopk") else None,
        k={"topk": 3, "batchtopk": 2.5}.get(architecture),
    )
    return replace(sae, **changes)


def activations(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, D_MODEL, generator=torch.Generator().manual_seed(seed))


def by_hand(sae: Sae, x: Array, choose: Callable[[Array], Array]) -> Array:
    """Codes of one activation, feature by feature."""
    W_enc, b_enc, b_dec = (tensor.double().numpy() for tensor in (sae.W_enc, sae.b_enc, sae.b_dec))
    shifted = x - b_dec if sae.apply_b_dec_to_input else x
    return choose(np.array([sum(shifted * W_enc[:, feature]) + b_enc[feature] for feature in range(FEATURE)]))


def relu(pre: Array) -> Array:
    return np.where(pre > 0, pre, 0)


def strongest_three(pre: Array) -> Array:
    return np.where(np.isin(np.arange(len(pre)), np.argsort(pre)[-3:]), relu(pre), 0)


def above(sae: Sae) -> Callable[[Array], Array]:
    return lambda pre: np.where(pre > np.maximum(sae.threshold.numpy(), 0), relu(pre), 0)


@settings(max_examples=40, deadline=None)
@given(
    architecture=st.sampled_from(["standard", "topk", "jumprelu", "batchtopk"]),
    shift=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_codes_and_reconstruction_follow_the_formula(architecture: str, shift: bool, seed: int) -> None:
    sae = make_sae(architecture, seed, apply_b_dec_to_input=shift)
    choose = {"standard": relu, "topk": strongest_three}.get(architecture) or above(sae)
    x = activations(seed + 1, 2, 3)
    codes = sae.encode(x)
    wanted = np.array([[by_hand(sae, token.double().numpy(), choose) for token in row] for row in x])
    np.testing.assert_allclose(codes.numpy(), wanted, rtol=1e-4, atol=1e-4)
    rebuilt = wanted @ sae.W_dec.double().numpy() + sae.b_dec.double().numpy()
    np.testing.assert_allclose(sae.decode(codes).numpy(), rebuilt, rtol=1e-3, atol=1e-3)


def test_jumprelu_never_fires_below_zero() -> None:
    sae = make_sae("jumprelu", threshold=torch.full((FEATURE,), -5.0))
    assert torch.equal(sae.encode(activations(1, 50)), make_sae("standard").encode(activations(1, 50)))


def test_batchtopk_without_a_threshold_selects_over_all_tokens() -> None:
    sae = make_sae("batchtopk", threshold=None)
    x = activations(2, 4)
    codes, pre = sae.encode(x), make_sae("standard").encode(x)
    nonzero = np.sort(codes[codes > 0].numpy())
    assert len(nonzero) == 10  # 2.5 per token, 4 tokens
    np.testing.assert_array_equal(nonzero, np.sort(pre.numpy(), axis=None)[-10:])


def test_batchtopk_with_a_threshold_does_not_depend_on_the_other_tokens() -> None:
    sae, x = make_sae("batchtopk"), activations(3, 6)
    torch.testing.assert_close(sae.encode(x)[:2], sae.encode(x[:2]))


@settings(max_examples=25, deadline=None)
@given(scale=st.floats(0.01, 100), seed=st.integers(0, 2**31))
def test_constant_norm_rescale_ignores_the_norm(scale: float, seed: int) -> None:
    sae = make_sae("topk", seed, normalize_activations="constant_norm_rescale")
    x = activations(seed + 1, 4)
    normal = x / x.norm(dim=1, keepdim=True) * D_MODEL**0.5
    codes = sae.encode(scale * x)
    torch.testing.assert_close(codes, replace(sae, normalize_activations="none").encode(normal), rtol=1e-3, atol=1e-3)
    rebuilt = replace(sae, normalize_activations="none").decode(codes) * x.norm(dim=1, keepdim=True) / D_MODEL**0.5
    torch.testing.assert_close(sae.decode(codes, like=scale * x), scale * rebuilt, rtol=1e-3, atol=1e-3 * scale)


def test_layer_norm_removes_and_restores_mean_and_sample_deviation() -> None:
    sae, x = make_sae("standard", normalize_activations="layer_norm"), activations(4, 6)
    plain = replace(sae, normalize_activations="none")
    mean, deviation = x.mean(1, keepdim=True), x.std(1, keepdim=True)
    codes = sae.encode(x)
    torch.testing.assert_close(codes, plain.encode((x - mean) / (deviation + 1e-5)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(sae.decode(codes, like=x), plain.decode(codes) * deviation + mean, rtol=1e-3, atol=1e-3)
    with pytest.raises(SubjectError, match="layer_norm"):
        sae.decode(codes)


@settings(max_examples=25, deadline=None)
@given(scale=st.floats(0.01, 100), seed=st.integers(0, 2**31), architecture=st.sampled_from(["standard", "jumprelu"]))
def test_a_folded_input_scale_equals_scaling_the_input(scale: float, seed: int, architecture: str) -> None:
    sae, x = make_sae(architecture, seed), activations(seed + 1, 5)
    folded = replace(sae, normalize_activations="expected_average_only_in").folded(scale)
    codes = sae.encode(scale * x)
    torch.testing.assert_close(folded.encode(x), codes, rtol=1e-3, atol=1e-3 * max(1, scale))
    torch.testing.assert_close(folded.decode(codes), sae.decode(codes) / scale, rtol=1e-3, atol=1e-3 / scale)


def test_an_unknown_input_scale_is_an_error(tmp_path: Path) -> None:
    save_sae(tmp_path, make_sae("standard", normalize_activations="expected_average_only_in"))
    with pytest.raises(SubjectError, match="unknown input scale"):
        load_sae(tmp_path).encode(activations(0, 1))
    x = activations(1, 3)
    wanted = make_sae("standard").encode(2.5 * x)
    torch.testing.assert_close(load_sae(tmp_path, input_scale=2.5).encode(x), wanted)
    (tmp_path / "activation_scaler.json").write_text('{"scaling_factor": 2.5}')
    torch.testing.assert_close(load_sae(tmp_path).encode(x), wanted)


@pytest.mark.parametrize("architecture", ["standard", "topk", "jumprelu", "batchtopk"])
def test_a_written_sae_reads_back_unchanged(tmp_path: Path, architecture: str) -> None:
    names = {"hook_name": "blocks.2.hook_resid_post", "model_name": "tiny", "neuronpedia_id": "tiny/2-res"}
    sae = make_sae(architecture, apply_b_dec_to_input=False, **names)
    save_sae(tmp_path / "sae", sae)
    read = load_sae(tmp_path / "sae")
    assert sorted(file.name for file in (tmp_path / "sae").iterdir()) == ["cfg.json", "sae_weights.safetensors"]
    assert {name: tensor.tolist() for name, tensor in read.tensors().items()} == {
        name: tensor.tolist() for name, tensor in sae.tensors().items()
    }
    for field in ("architecture", "k", "apply_b_dec_to_input", "normalize_activations", *names):
        assert getattr(read, field) == getattr(sae, field)


def write(folder: Path, config: object, **changes: torch.Tensor | None) -> Path:
    weights = {name: tensor for name, tensor in (make_sae().tensors() | changes).items() if tensor is not None}
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / "sae_weights.safetensors")
    (folder / "cfg.json").write_text(json.dumps(config))
    return folder


def test_a_config_from_before_version_6_is_supported(tmp_path: Path) -> None:
    config = {"d_in": D_MODEL, "d_sae": FEATURE, "activation_fn_str": "topk", "activation_fn_kwargs": {"k": 3},
              "normalize_activations": False, "hook_name": "blocks.1.hook_mlp_out"}  # fmt: skip
    read = load_sae(write(tmp_path, config))
    assert (read.architecture, read.k, read.hook_name) == ("topk", 3, "blocks.1.hook_mlp_out")
    torch.testing.assert_close(read.encode(activations(5, 4)), make_sae("topk").encode(activations(5, 4)))


@pytest.mark.parametrize("config", [
    {"metadata": {"neuronpedia_id": "gemma-2-2b/12-gemmascope-res-16k"}},
    {"neuronpedia_id": "gemma-2-2b/12-gemmascope-res-16k"},
])  # fmt: skip
def test_the_neuronpedia_id_is_read_from_every_version(tmp_path: Path, config: dict[str, object]) -> None:
    assert load_sae(write(tmp_path, config)).neuronpedia_id == "gemma-2-2b/12-gemmascope-res-16k"


@pytest.mark.parametrize("config", [{}, {"neuronpedia_id": None}, {"metadata": {"neuronpedia_id": None}}])
def test_an_sae_need_not_be_on_neuronpedia(tmp_path: Path, config: dict[str, object]) -> None:
    assert load_sae(write(tmp_path, config)).neuronpedia_id == ""


def test_decoder_norms_in_the_selection_are_folded(tmp_path: Path) -> None:
    config = {"architecture": "topk", "k": 3, "rescale_acts_by_decoder_norm": True}
    read, sae, x = load_sae(write(tmp_path, config)), make_sae("topk"), activations(6, 20)
    norm = sae.W_dec.norm(dim=1)
    pre = ((x - sae.b_dec) @ sae.W_enc + sae.b_enc) * norm
    wanted = torch.zeros_like(pre).scatter(1, pre.topk(3).indices, pre.topk(3).values.relu())
    torch.testing.assert_close(read.encode(x), wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(read.decode(wanted), (wanted / norm) @ sae.W_dec + sae.b_dec, rtol=1e-4, atol=1e-4)


def test_a_scaling_factor_of_the_codes_is_folded_or_refused(tmp_path: Path) -> None:
    factor, sae, x = torch.linspace(0.5, 2, FEATURE), make_sae(), activations(7, 4)
    read = load_sae(write(tmp_path, {"finetuning_scaling_factor": True}, scaling_factor=factor))
    codes = read.encode(x)
    torch.testing.assert_close(codes, sae.encode(x))
    torch.testing.assert_close(read.decode(codes), (codes * factor) @ sae.W_dec + sae.b_dec, rtol=1e-4, atol=1e-4)
    with pytest.raises(SubjectError, match="finetuning_scaling_factor"):
        load_sae(write(tmp_path, {}, scaling_factor=factor))
    load_sae(write(tmp_path, {}, scaling_factor=torch.ones(FEATURE)))


def test_a_log_threshold_and_a_shared_threshold_are_supported(tmp_path: Path) -> None:
    threshold = make_sae("jumprelu").threshold
    read = load_sae(write(tmp_path, {"architecture": "jumprelu"}, log_threshold=threshold.log()))
    torch.testing.assert_close(read.threshold, threshold)
    common = {"architecture": "batchtopk", "k": 2.5}
    assert load_sae(write(tmp_path, common, topk_threshold=torch.tensor(0.7))).threshold.tolist() == pytest.approx(
        [0.7] * FEATURE
    )


NAN = torch.full((FEATURE,), float("nan"))
BAD: dict[str, tuple[object, dict[str, torch.Tensor | None], str]] = {
    "architecture": ({"architecture": "gated"}, {}, "gated"),
    "activation": ({"activation_fn": "tanh-relu"}, {}, "tanh-relu"),
    "no k": ({"architecture": "topk"}, {}, "k = None"),
    "k true": ({"architecture": "topk", "k": True}, {}, "k = True"),
    "k zero": ({"architecture": "topk", "k": 0}, {}, "k = 0"),
    "normalisation": ({"normalize_activations": "whiten"}, {}, "whiten"),
    "flag": ({"apply_b_dec_to_input": "yes"}, {}, "apply_b_dec_to_input"),
    "reshape": ({"reshape_activations": "hook_z"}, {}, "hook_z"),
    "neuronpedia": ({"metadata": {"neuronpedia_id": "../../evil"}}, {}, "neuronpedia_id '../../evil'"),
    "list": ([1], {}, "JSON list"),
    "width": ({"d_in": 9}, {}, "d_in 9.*5"),
    "count": ({"d_sae": 9}, {}, "d_sae 9.*12"),
    "NaN": ({}, {"b_enc": NAN}, "NaN.*b_enc"),
    "whole numbers": ({}, {"b_enc": torch.arange(FEATURE)}, "b_enc"),
    "shape": ({}, {"W_dec": torch.zeros(D_MODEL, FEATURE)}, "W_dec"),
    "missing": ({}, {"b_enc": None}, "no b_enc"),
    "no threshold": ({"architecture": "jumprelu"}, {}, "no threshold"),
    "unknown tensor": ({}, {"r_mag": torch.zeros(FEATURE)}, "r_mag"),
}


@pytest.mark.parametrize("case", sorted(BAD))
def test_a_bad_folder_is_reported_in_one_line_with_its_file(tmp_path: Path, case: str) -> None:
    config, changes, message = BAD[case]
    with pytest.raises(SubjectError, match=message) as caught:
        load_sae(write(tmp_path, config, **changes))
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["cfg.json", "sae_weights.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "random", "huge"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, damage: str) -> None:
    save_sae(tmp_path, make_sae())
    file = tmp_path / name
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    elif damage == "truncated":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "random":
        file.write_bytes(np.random.default_rng(0).bytes(400))
    else:
        file.write_bytes(b"[" * 2_000_000)
    with pytest.raises(SubjectError) as caught:
        load_sae(tmp_path)
    assert name in str(caught.value)


def test_bfloat16_weights_are_read(tmp_path: Path) -> None:
    save_sae(tmp_path, make_sae().to("cpu", torch.bfloat16))
    assert load_file(tmp_path / "sae_weights.safetensors")["W_enc"].dtype == torch.bfloat16
    assert load_sae(tmp_path).W_enc.dtype == torch.float32


def test_both_widths_are_named() -> None:
    with pytest.raises(SubjectError, match=r"5.*64"):
        check_width(make_sae(), 64, "the model")
    with pytest.raises(SubjectError, match=r"5.*7"):
        make_sae().encode(torch.zeros(3, 7))


def test_the_hook_that_an_sae_was_trained_on_is_checked() -> None:
    sae = make_sae(hook_name="blocks.3.hook_resid_pre")
    check_trained_hook(sae, 3, "resid_pre")
    check_trained_hook(sae, 2, "resid_post")
    check_trained_hook(make_sae(hook_name="model.layers.7"), 0, "resid_post")
    with pytest.raises(SubjectError, match=r"blocks\.3\.hook_resid_pre.*blocks\.3\.hook_resid_post"):
        check_trained_hook(sae, 3, "resid_post")
