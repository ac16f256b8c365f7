"""The code in docs/bring-your-own-sae.md runs, and does what the text says."""

import json
import re
from pathlib import Path

import numpy as np
import torch

from explorer.lm.sae.saelens import load_sae
from explorer.records.bundle import FeatureLabel
from explorer.runs.bundle.reader import open_bundle
from explorer.runs.report.check import check
from tests.lm.model.tiny_tokenizers import word_tokenizer
from tests.lm.tiny import tiny_model

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "bring-your-own-sae.md"


def test_the_documented_code_writes_an_sae_and_harvests_with_it(tmp_path: Path) -> None:
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL):
        exec(compile(code, DOCUMENT.name, "exec"), names)
    rng = np.random.default_rng(0)
    W_enc, b_enc, W_dec, b_dec = (
        rng.normal(size=shape).astype(np.float32) for shape in ((16, 9), (9,), (9, 16), (16,))
    )
    names["write_sae"](tmp_path / "sae", W_enc, b_enc, W_dec, b_dec, 2)
    x = rng.normal(size=16).astype(np.float32)
    pre = (x - b_dec) @ W_enc + b_enc
    wanted = np.where(np.isin(np.arange(9), np.argsort(pre)[-2:]), np.maximum(pre, 0), 0)
    np.testing.assert_allclose(load_sae(tmp_path / "sae").encode(torch.from_numpy(x)).numpy(), wanted, rtol=1e-4)

    tiny_model("llama").save_pretrained(tmp_path / "model")
    word_tokenizer("on Monday and Sunday the cat sat").save_pretrained(tmp_path / "model")
    (tmp_path / "text.json").write_text(json.dumps(["the cat sat on Monday", "Sunday and Monday"]))
    paths = [str(tmp_path / name) for name in ("model", "sae", "text.json", "bundle")]
    bundle = open_bundle(names["harvest"](*paths))
    found = [(concept.value, concept.order, concept.period) for concept in bundle.concepts()]
    assert found == [("Monday", 0, 7), ("Sunday", 6, 7), ("Monday", 0, 7)]
    assert bundle.counts.n_tokens == 10

    names["label"](paths[3], {3: "cats", 1: "days"}, "a person")
    assert check(tmp_path / "bundle").ok
    assert open_bundle(tmp_path / "bundle").labels() == (
        FeatureLabel(3, "cats", "a person"),
        FeatureLabel(1, "days", "a person"),
    )
