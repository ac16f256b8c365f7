"""The cached runs show, without labels, the shapes that the README reports."""

import pytest

from explorer.demo.concept_table import ConceptRow, concept_rows
from explorer.demo.subject import MODEL_FOLDER, RUNS, SAE_FOLDER, DemoRun, shared_subject
from explorer.places import shipped_folder
from explorer.runs.report.check import check
from explorer.runs.run.reader import open_run

SHIPPED = shipped_folder("cached_runs")
ALMANAC = SHIPPED / RUNS[0].folder


@pytest.fixture(scope="module")
def found() -> dict[str, ConceptRow]:
    return {row.concept: row for row in concept_rows(open_run(ALMANAC))}


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.folder)
def test_run_passes_check(run: DemoRun) -> None:
    assert check(SHIPPED / run.folder).problems == ()


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.folder)
def test_run_has_its_layer_and_shares_the_model(run: DemoRun) -> None:
    manifest = open_run(SHIPPED / run.folder).manifest
    assert (manifest.title, manifest.model.layer, manifest.dataset.n_docs) == (run.title, run.layer, run.docs)
    assert manifest.settings == run.settings
    assert manifest.subject is not None
    model = (SHIPPED / run.folder / manifest.subject.model_path).resolve()
    assert model == (shared_subject(SHIPPED) / MODEL_FOLDER).resolve()
    assert manifest.subject.sae_path == f"subject/{SAE_FOLDER}"


@pytest.mark.parametrize(
    ("concept", "n_values"), [("weekday", 7), ("month", 12), ("hour", 24), ("colour", 12), ("direction", 8)]
)
def test_cyclic_concepts_are_closed_curves_in_true_order(
    found: dict[str, ConceptRow], concept: str, n_values: int
) -> None:
    row = found[concept]
    assert (row.shape, row.n_values) == ("closed curve", n_values)
    assert row.order_correlation >= 0.95
    assert row.p_value <= 0.01


NOT_FOUND = pytest.mark.xfail(
    strict=True, reason="only 40 of the 70 ages are placed: the numbers that are also temperatures"
)


@pytest.mark.parametrize(
    ("concept", "fewest"),
    [
        ("year", 60),
        pytest.param("age", 60, marks=NOT_FOUND),
        ("temperature", 30),
    ],
)
def test_numeric_concepts_are_open_curves_in_true_order(
    found: dict[str, ConceptRow], concept: str, fewest: int
) -> None:
    row = found[concept]
    assert row.shape == "open curve"
    assert row.n_values >= fewest
    assert row.order_correlation >= 0.95


def test_preceding_block_has_one_closed_curve() -> None:
    found = {row.concept: row for row in concept_rows(open_run(SHIPPED / RUNS[1].folder))}
    assert [name for name, row in found.items() if row.shape == "closed curve"] == ["direction"]
    assert (found["direction"].n_values, found["direction"].order_correlation >= 0.95) == (8, True)
