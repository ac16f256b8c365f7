"""Headless results as JSON, for a move and for all pairs."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from explorer.errors import HostMismatch, RequestError, RunError
from explorer.steering.answers.pairs import PairSettings, SteeredCurve, all_pairs, distant_pairs
from explorer.steering.engine.engine import Engine, open_engine
from explorer.steering.headless.headless import steer_headless
from explorer.steering.headless.report import steering_rows, steering_tables
from explorer.steering.protocol.behaviour import ReadoutValue
from tests.planted import DAYS
from tests.steering.tiny import save_model


def test_a_move_reports_energy_and_reach_for_every_arm(steerable_run: Path) -> None:
    prompts = ("the parcel was sent on Monday", "it rained on Friday")
    result = steer_headless(
        steerable_run,
        0,
        prompts=prompts,
        start="Monday",
        end="Thursday",
        max_tokens=3,
        waypoints=8,
        arms=("manifold", "linear"),
    )
    parsed = json.loads(json.dumps(result, allow_nan=False))
    assert parsed["values"] == list(DAYS)
    assert set(parsed["e_bc"]) == set(parsed["reach"]) == {"manifold", "linear"}
    for arm in ("manifold", "linear"):
        assert set(parsed["e_bc"][arm]) == {"mean", "se"}
        assert set(parsed["reach"][arm]) == {"p_target", "visited"}
        assert len(parsed["probabilities"][arm]) == 8
        assert sum(parsed["probabilities"][arm][0]) == pytest.approx(1)
    assert parsed["hook_fired"] == {"manifold": 16, "linear": 16}
    assert [text["prompt"] for text in parsed["texts"]] == list(prompts)
    assert set(parsed["texts"][0]["rows"]) == {"baseline", "manifold", "linear"}
    title, header, rows = steering_rows(result)
    assert "0.000 to 0.429 at the last prompt token, strength" in title
    assert [row[0] for row in rows] == ["manifold", "linear"]
    assert all(len(row) == len(header) for row in rows)


def test_a_move_comes_with_its_checks(steerable_run: Path) -> None:
    result = steer_headless(
        steerable_run, 0, prompts=["it rained on Monday"], end="Thursday", waypoints=7, max_tokens=4,
        prompts_per_value=2, swept=True, phrases=("it rained", "naïve"),
    )  # fmt: skip
    parsed = json.loads(json.dumps(result, allow_nan=False))
    arms = {"manifold", "linear", "chord"}
    for key in ("isometry", "other", "kl", "off_manifold", "realised"):
        assert set(parsed[key]) == arms, key
        assert set(parsed["controls"][key]) == {"manifold", "random", "shuffled", "flipped"}, key
    (realised,) = parsed["realised"]["manifold"]
    assert len(realised["requested"]) == len(realised["state"]) == len(realised["answer"]) == 7
    (effect,) = parsed["effect"]
    assert {"shift", "control_mean", "control_sd", "over_spread", "distinguishable"} <= set(effect)
    (across,), (adjacent,) = parsed["across_prompts"], parsed["adjacent"]
    assert across["prompts"] == 2
    assert (across["end"], adjacent["start"]) == ("Thursday", across["start"])
    for row in parsed["texts"][0]["rows"].values():
        assert row["perplexity"] >= 1
        assert len(row["tokens"]) <= 4
        assert 0 <= row["repeated"] <= 1
    (swept,) = parsed["sweep"]
    assert len(swept["arms"][0]["p_target"]) == len(swept["strengths"]) == 10
    (phrases,) = parsed["phrases"]
    assert [phrase["text"] for phrase in phrases["phrases"]] == ["it rained", "naïve"]
    titles = [title for title, _, _ in steering_tables(result)]
    assert len(titles) == 10
    assert all(len(row) == len(header) for _, header, rows in steering_tables(result) for row in rows)


def test_a_move_that_chance_matches_is_reported_as_such(steerable_run: Path) -> None:
    prompts = ["it rained on Monday"]
    still = steer_headless(steerable_run, 0, prompts=prompts, end="Thursday", waypoints=3, strength=0.0)
    words = [cell for _, _, rows in steering_tables(still) for row in rows for cell in row]
    assert "not distinguishable from the controls" in words


def test_a_move_steers_the_requested_tokens_of_a_message(chat_run: Path) -> None:
    """The template's special tokens are not steered; generated tokens only on request."""
    ways = {
        "last_prompt": (1, "at the last prompt token of a message"),
        "all_prompt": (4, "at every prompt token of a message"),
        "generated": (1, "at the last prompt token and every generated one of a message"),
    }
    for where, (prompt_tokens, words) in ways.items():
        result = steer_headless(
            chat_run, 0, prompts=["it rained on Monday"], where=where, chat=True, end="Thursday", waypoints=3,
            max_tokens=3, arms=("manifold",), swept=True, phrases=("it rained",),
        )  # fmt: skip
        (reply,) = json.loads(json.dumps(result["results"]))
        assert (result["where"], result["chat"]) == (where, True)
        assert sum(token["steered"] for token in reply["prompt_tokens"]) == prompt_tokens
        assert any(token["special"] for token in reply["prompt_tokens"])
        assert f"0.429 {words}, strength" in steering_rows(result)[0]
        (text,) = json.loads(json.dumps(result["texts"]))
        fired = text["rows"]["manifold"]["hook_fired"]
        assert fired > prompt_tokens if where == "generated" else fired == prompt_tokens


def test_custom_classes_replace_the_values(steerable_run: Path) -> None:
    """Two values in one class have the sum of their probabilities; custom classes have no behaviour manifold."""
    options = {
        "prompts": ["it rained on Monday"],
        "end": "Thursday",
        "waypoints": 3,
        "arms": ("manifold",),
        "swept": True,
    }
    own = steer_headless(steerable_run, 0, **options)
    classes = [
        ReadoutValue(name="Thursday", spellings=("Thursday", "Friday")),
        ReadoutValue(name="rest", spellings=("on",)),
    ]
    result = steer_headless(steerable_run, 0, values=classes, **options)
    names = json.loads(json.dumps(own["values"]))
    days, (both, _, other) = np.array(own["probabilities"]["manifold"]), np.array(result["probabilities"]["manifold"]).T
    assert result["values"] == ["Thursday", "rest"]
    assert both == pytest.approx(days[:, names.index("Thursday")] + days[:, names.index("Friday")], abs=1e-6)
    assert (other > 0).all()
    assert result["e_bc"]["manifold"]["mean"] is None
    assert result["across_prompts"] == [None]
    assert result["sweep"][0]["target"] == "Thursday"
    assert [len(rows[0]) for _, _, rows in steering_tables(result)]


def test_a_coordinate_may_be_given_as_text(steerable_run: Path) -> None:
    result = steer_headless(steerable_run, 1, prompts=["in 1900"], start="0.25", end="1940", waypoints=4)
    assert result["start"] == pytest.approx(0.25)
    assert result["end"] == pytest.approx(0.45)


def test_all_pairs_average_over_every_distant_pair(steerable_run: Path) -> None:
    result = json.loads(json.dumps(steer_headless(steerable_run, 0, waypoints=4, prompts_per_value=2)))
    assert result["n_pairs"] == 7 * 4
    assert result["n_trials"] == 7 * 4 * 2
    energies = [pair["e_bc"] for pair in result["pairs"] if pair["arm"] == "chord"]
    assert result["e_bc"]["chord"]["mean"] == pytest.approx(sum(energies) / len(energies))
    assert result["moves_model"] in (True, False)
    assert steering_rows(result)[0].startswith("Monday, Tuesday, Wednesday: all distant pairs")


def test_pairs_wrap_around_closed_curves_only() -> None:
    assert len(distant_pairs(7, closed=True)) == 28
    assert len(distant_pairs(7, closed=False)) == 30
    assert distant_pairs(3, closed=True) == []
    assert distant_pairs(3, closed=False) == [(0, 2), (2, 0)]


def test_trials_do_not_depend_on_how_they_are_batched(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = PairSettings(prompts_per_value=1, waypoints=3)
    together = all_pairs(engine, "planted", 0, settings)
    monkeypatch.setattr("explorer.steering.answers.pairs._MAX_ROWS", 1)
    alone = all_pairs(engine, "planted", 0, settings)
    assert [(t.start, t.end, t.arm) for t in together] == [(t.start, t.end, t.arm) for t in alone]
    assert [t.e_bc for t in together] == pytest.approx([t.e_bc for t in alone], abs=1e-4)


def test_another_curve_is_steered_on_the_same_pairs_from_the_same_contexts(engine: Engine) -> None:
    settings = PairSettings(arms=("manifold",), prompts_per_value=1, waypoints=3)
    prepared = engine.prepared("planted", 0)
    own = all_pairs(engine, "planted", 0, settings)
    again = all_pairs(engine, "planted", 0, settings, curve=SteeredCurve(prepared.manifold, prepared.place))
    assert again == own
    stretched = replace(prepared.manifold, knots=2 * prepared.manifold.knots)
    other = all_pairs(engine, "planted", 0, settings, curve=SteeredCurve(stretched, prepared.place))
    assert [(t.start, t.end) for t in other] == [(t.start, t.end) for t in own]
    assert all(t.activation_length != mine.activation_length for t, mine in zip(other, own, strict=True))
    some = np.where(np.arange(len(prepared.place)) == 2, np.nan, prepared.place)
    left = all_pairs(engine, "planted", 0, settings, curve=SteeredCurve(prepared.manifold, some))
    expected = [t for t in own if 2 not in (t.start, t.end)]
    assert [replace(t, visited=None) for t in left] == [replace(t, visited=None) for t in expected]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"end": "Thursday"}, "--prompt"),
        ({"start": "Monday"}, "--to"),
        ({"swept": True}, "--to"),
        ({"phrases": ["it"]}, "--to"),
        ({"where": "all_prompt"}, "--to"),
        ({"chat": True}, "--to"),
        ({"values": [ReadoutValue(name="Monday", spellings=("Monday",))]}, "--to"),
        (
            {"prompts": ["it rained"], "end": "Friday", "values": [ReadoutValue(name="x", spellings=("on",))] * 2},
            "values",
        ),
        ({"prompts": ["it rained"], "end": "Friday", "where": "first"}, "where"),
        ({"prompts": ["it rained"], "end": "Friday", "chat": True}, "chat"),
        ({"prompts": ["it rained"], "end": "Someday"}, "end"),
        ({"prompts": ["it rained"], "end": "1.5"}, "end"),
        ({"prompts": ["it rained"], "end": "Friday", "arms": ("sideways",)}, "arms"),
        ({"prompts": ["it rained"], "end": "Friday", "strength": float("nan")}, "strength"),
        ({"prompts": ["it rained"], "end": "Friday", "dtype": "int3"}, "dtype"),
    ],
)
def test_bad_input_is_named(steerable_run: Path, options: dict[str, object], field: str) -> None:
    with pytest.raises(RequestError) as error:
        steer_headless(steerable_run, 0, **options)  # type: ignore[arg-type]
    assert error.value.where == field
    assert error.value.exit_code == 2


def test_another_model_is_refused_with_both_fingerprints(steerable_run: Path, tmp_path: Path) -> None:
    there = steerable_run.with_name("planted-subject")
    vocabulary = json.loads((there / "model" / "config.json").read_text())["vocab_size"]
    save_model(tmp_path, vocabulary, seed=9)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((there / "model" / name).read_bytes())
    with pytest.raises(HostMismatch, match=r"sha256:[0-9a-f]{64}.* needs sha256:[0-9a-f]{64}"):
        open_engine(steerable_run, model=str(tmp_path))


def test_a_run_without_a_subject_cannot_be_steered(planted_run: Path) -> None:
    with pytest.raises(RunError, match="no subject with a fingerprint"):
        open_engine(planted_run)
