from explorer.runs.report.score_curves import gather_curves


def test_curves_are_gathered_in_the_order_of_their_atoms_and_other_scores_stay() -> None:
    scores = {"overlap": 2.0, "r2_at_16": 0.9, "r2_at_2": 0.4, "pca_holds_1": 0.5, "r2_at_most": 1.0, "layer_2": 3.0}
    single, curves = gather_curves(scores)
    assert single == {"overlap": 2.0, "r2_at_most": 1.0, "layer_2": 3.0}
    assert list(curves["r2_at"].items()) == [(2, 0.4), (16, 0.9)]
    assert curves["pca_holds"] == {1: 0.5}
