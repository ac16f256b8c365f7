"""Feature logits: both ends, with the run's token texts."""

import dataclasses

import numpy as np
import pytest
from pydantic import ValidationError

from explorer.errors import RequestError
from explorer.steering.answers.handlers import Handlers
from explorer.steering.protocol.features import MAX_TOP, FeatureRequest
from explorer.steering.protocol.refusal import Refusal
from tests.steering.engine.test_engine import nothing_is_left


def feature_request(answers: Handlers, **changes: object) -> FeatureRequest:
    fields = {"run": "planted", "fingerprint": answers.engine.subject.fingerprint, "feature": 3}
    return FeatureRequest.model_validate(fields | changes)


def test_both_ends_are_sorted_by_strength(answers: Handlers) -> None:
    reply = answers.answer(feature_request(answers, top=5))
    vocabulary = answers.engine.vocabulary("planted")
    logits = answers.engine.model.feature_logits(3)[: len(vocabulary)]
    assert [one.logit for one in reply.promoted] == pytest.approx(sorted(logits)[::-1][:5])
    assert [one.logit for one in reply.suppressed] == pytest.approx(sorted(logits)[:5])
    assert reply.promoted[0].text == vocabulary.text(int(np.argmax(logits)))
    assert reply.suppressed[0].text == vocabulary.text(int(np.argmin(logits)))
    assert nothing_is_left(answers.engine)


def test_the_direction_is_the_decoder_row(answers: Handlers) -> None:
    engine = answers.engine
    subject = dataclasses.replace(
        engine.subject, sae=dataclasses.replace(engine.subject.sae, W_dec=-engine.subject.sae.W_dec)
    )
    turned = type(engine)(subject, engine.runs, engine.limits)
    np.testing.assert_allclose(turned.model.feature_logits(3), -engine.model.feature_logits(3), atol=1e-4)


def test_an_unknown_feature_run_or_subject_is_refused(answers: Handlers) -> None:
    with pytest.raises(RequestError, match="feature"):
        answers.answer(feature_request(answers, feature=10_000))
    with pytest.raises(Refusal, match="this host holds"):
        answers.answer(feature_request(answers, fingerprint="sha256:other"))
    with pytest.raises(Refusal, match="no run"):
        answers.answer(feature_request(answers, run="elsewhere"))


@pytest.mark.parametrize("changes", [{"feature": -1}, {"feature": "1"}, {"top": 0}, {"top": MAX_TOP + 1}, {"more": 1}])
def test_a_field_out_of_range_is_refused(answers: Handlers, changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        feature_request(answers, **changes)
