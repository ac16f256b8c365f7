"""The smallest bundle with every part, for tests that break it byte by byte."""

from pathlib import Path

import numpy as np

from explorer.records.bundle import Concept, FeatureLabel
from explorer.records.subject import DatasetInfo, ModelInfo, SaeInfo
from explorer.runs.bundle.writer import BundleWriter


def write_tiny_bundle(path: Path, level: int, writer: BundleWriter | None = None) -> Path:
    """Write five tokens, four features, width 3; `level` is the activation of every entry."""
    if writer is None:
        with BundleWriter(path) as opened:
            write_tiny_bundle(path, level, opened)
        return path
    values = np.full(4, level, np.float16)
    writer.write_codes(np.array([0, 1, 1, 3, 3, 4]), np.array([2, 0, 3, 1], np.uint32), values)
    writer.write_decoder(np.ones((4, 3), np.float32), np.zeros(3, np.float32))
    writer.write_tokens(np.arange(5, dtype=np.int32), np.array([0, 2, 5]), list("abcdé"))
    writer.write_activations(np.ones((2, 3), np.float32), np.array([1, 4]))
    writer.write_concepts([Concept(0, "day", "Monday", 0.0, 7.0), Concept(4, "colour", "rouge", None, None)])
    writer.write_labels([FeatureLabel(1, "a label", "hand")])
    writer.write_blocks([[0, 2], [1]])
    writer.finish(ModelInfo("m", "", 0, "mlp_out", 3, 1), SaeInfo("s", 4, "standard"), DatasetInfo("d", 2, 5), {"a": 1})
    return path
