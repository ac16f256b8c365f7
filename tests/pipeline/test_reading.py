"""Which reading of a cluster is kept."""

from types import SimpleNamespace

import numpy as np

from explorer.pipeline.reading import of_one_thing

DAYS, HOURS = np.arange(7), np.arange(100, 124)


def test_a_cluster_is_about_what_most_of_its_tokens_tell() -> None:
    days, few_days, hours = (
        SimpleNamespace(known_share=share, tokens=tokens)
        for share, tokens in ((0.28, DAYS), (0.17, DAYS[:5]), (0.08, HOURS))
    )
    assert of_one_thing([hours, few_days, days]) == [1, 2]  # type: ignore[list-item] # what of a reading is asked
    assert of_one_thing([hours]) == [0]  # type: ignore[list-item]
