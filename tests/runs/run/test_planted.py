"""The planted world is complete and valid."""

from pathlib import Path

import numpy as np

from explorer.runs.bundle.reader import open_bundle
from explorer.runs.run.reader import open_run


def test_planted_run_opens(planted_run: Path) -> None:
    run = open_run(planted_run)
    assert [summary.shape for summary in run.manifest.clusters] == ["closed curve", "open curve"]
    assert run.manifest.n_noise > 0
    assert run.manifest.n_left_out > 0


def test_planted_bundle_reconstructs_its_activations(planted_bundle: Path) -> None:
    bundle = open_bundle(planted_bundle)
    codes, decoder, residuals = bundle.codes(), bundle.decoder(), bundle.residuals()
    assert residuals is not None
    dense = np.zeros((codes.n_tokens, codes.n_features), np.float32)
    dense[np.repeat(np.arange(codes.n_tokens), np.diff(codes.indptr)), codes.features] = codes.values
    rebuilt = dense[residuals.token_index] @ decoder.W_dec + decoder.b_dec
    assert np.abs(rebuilt - residuals.values).max() < 0.2
