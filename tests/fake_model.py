"""Replies without a model: values on a curve get probabilities by their distance, so the correct picture is known."""

from collections.abc import Iterator
from functools import singledispatchmethod

import numpy as np

from explorer.config import SteeringLimits
from explorer.runs.run.reader import Run
from explorer.steering.protocol.behaviour import (
    ArmBehaviour,
    BehaviourReply,
    BehaviourRequest,
    Effect,
    Meter,
    PathRequest,
    PromptToken,
    Reach,
    TopToken,
)
from explorer.steering.protocol.checks import (
    CONTROL_ARMS,
    AcrossPrompts,
    ArmSpread,
    CheckReply,
    CheckRequest,
    Phrase,
    PhraseArm,
    PhrasesReply,
    PhrasesRequest,
    Spread,
    SweepArm,
    SweepReply,
    SweepRequest,
)
from explorer.steering.protocol.features import (
    EncodedToken,
    EncodeReply,
    EncodeRequest,
    FeatureReply,
    FeatureRequest,
    FiredCluster,
    Firing,
    TokenLogit,
)
from explorer.steering.protocol.steer import (
    DoneEvent,
    Event,
    RowDoneEvent,
    StartEvent,
    SteerRequest,
    TokenEvent,
    Written,
    WrittenToken,
)
from explorer.steering.protocol.subject import ServedRun, SubjectReply
from explorer.steering.protocol.wire import ARMS, PROTOCOL_VERSION, Arm, Kind, PathEnd, Row, Wire

FINGERPRINT = "sha256:" + "0" * 64
"""Subject of a model without a run."""
OWN = 0.02
"""Coordinate of every prompt."""
SHARPNESS = 4.0
"""How fast a value's probability falls with the distance, relative to the spacing of the values."""
LONGEST = 8
"""Tokens of a text at most."""


class FakeModel:
    """Replies for the clusters of one run; without a run, for one cluster with the single value "Monday".

    Without a run a text is as long as requested and has the unsteered row only.
    """

    def __init__(self, run: Run | None = None, *, moves: bool = True, fingerprint: str = "") -> None:
        self.run = run
        self.moves = moves
        """Whether steering changes the replies."""
        self.kind: Kind = "base"
        self.limits = SteeringLimits()
        own = FINGERPRINT if run is None or run.manifest.subject is None else run.manifest.subject.fingerprint
        self.fingerprint = fingerprint or own

    def subject(self) -> SubjectReply:
        if self.run is None:
            return SubjectReply(
                protocol_version=PROTOCOL_VERSION, app_version="0", fingerprint=self.fingerprint, model="fake",
                sae="fake", layer=0, hook="resid_post", d_model=4, device="cpu", dtype="float32", arms=ARMS,
                limits=self.limits, runs=(ServedRun(id="planted", clusters=1),),
            )  # fmt: skip
        manifest = self.run.manifest
        return SubjectReply(
            protocol_version=PROTOCOL_VERSION,
            app_version="0",
            fingerprint=self.fingerprint,
            model=manifest.model.id,
            sae=manifest.sae.id,
            layer=manifest.model.layer,
            hook=manifest.model.hook,
            d_model=manifest.model.d_model,
            device="cpu",
            dtype="float32",
            kind=self.kind,
            arms=("manifold", "linear", "chord"),
            limits=self.limits,
            runs=(ServedRun(id=self.run.id, clusters=len(manifest.clusters)),),
        )

    @singledispatchmethod
    def reply(self, request: Wire) -> Wire:
        raise NotImplementedError

    @reply.register
    def check(self, request: CheckRequest) -> CheckReply:
        asked = request.model_dump(exclude={"prompts"}) | {"arms": CONTROL_ARMS}
        controls = self.behaviour(BehaviourRequest.model_validate(asked))
        if len(controls.values) < 2:
            return CheckReply(controls=controls, across=None, adjacent=None)
        return CheckReply(
            controls=controls,
            across=_across(controls.values[0], controls.values[-1], 0.05, 0.83),
            adjacent=_across(controls.values[0], controls.values[1], 0.03, 0.02),
        )

    @reply.register
    def sweep(self, request: SweepRequest) -> SweepReply:
        end = self._coordinate(request.cluster, request.end)
        names, coordinates, closed = self._values(request.cluster)
        doses = np.clip(np.array(request.strengths), 0, 1)[:, None] * np.array(request.positions)
        top = tuple(tuple(TopToken(text=f" {p:.1f}", probability=0.5) for p in row) for row in doses)
        grid = tuple(map(tuple, doses.tolist()))
        off = tuple(tuple(abs(dose) for _ in request.positions) for dose in request.strengths)
        return SweepReply(
            fingerprint=self.fingerprint,
            run=request.run,
            cluster=request.cluster,
            target=names[int(np.argmin(_gap(coordinates, np.array(end), closed)))],
            strengths=request.strengths,
            positions=request.positions,
            baseline=0.0,
            safe=2.0,
            arms=tuple(SweepArm(arm=arm, p_target=grid, off_manifold=off, kl=grid, top=top) for arm in request.arms),
        )

    @reply.register
    def phrases(self, request: PhrasesRequest) -> PhrasesReply:
        along = tuple(-10.0 - step for step in range(request.waypoints))
        arms = tuple(PhraseArm(arm=arm, logprob=along) for arm in request.arms)
        return PhrasesReply(
            fingerprint=self.fingerprint,
            run=request.run,
            cluster=request.cluster,
            phrases=tuple(Phrase(text=one, read=one, tokens=3, baseline=-10.0, arms=arms) for one in request.phrases),
        )

    @reply.register
    def encode(self, request: EncodeRequest) -> EncodeReply:
        tokens = tuple(self._token(word) for word in request.text.split(" "))
        fired = [firing.cluster for token in tokens for firing in token.firing]
        clusters = tuple(
            FiredCluster(cluster=one, core=len(self._features(one)), needed=2, tokens=fired.count(one))
            for one in sorted(set(fired))
        )
        return EncodeReply(fingerprint=self.fingerprint, run=request.run, tokens=tokens, clusters=clusters)

    @reply.register
    def feature(self, request: FeatureRequest) -> FeatureReply:
        """Speaks for the values in turn from its own number on, and against the others."""
        names, _, _ = self._values(0)
        turned = [f" {names[(request.feature + step) % len(names)]}" for step in range(len(names))]
        promoted = tuple(TokenLogit(text=text, logit=3.0 - step) for step, text in enumerate(turned[:3]))
        suppressed = tuple(TokenLogit(text=text, logit=-2.0 + step) for step, text in enumerate(turned[3:5]))
        return FeatureReply(
            fingerprint=self.fingerprint, run=request.run, feature=request.feature,
            promoted=promoted, suppressed=suppressed,
        )  # fmt: skip

    def _token(self, word: str) -> EncodedToken:
        """A value lies at its coordinate, "lost" far from the first cluster's curve; no other word fires a feature."""
        firing = []
        for cluster in range(1 if self.run is None else len(self.run.manifest.clusters)):
            names, coordinates, _ = self._values(cluster)
            if word in names or (word == "lost" and cluster == 0):
                at = float(coordinates[names.index(word)]) if word in names else 0.5
                features = self._features(cluster)[:3]
                off = 1.25 if word in names else 4.0
                firing.append(Firing(cluster=cluster, features=features, coordinate=at, off_manifold=off))
        return EncodedToken(text=f" {word}", special=word == "<s>", firing=tuple(firing))

    def events(self, request: SteerRequest) -> Iterator[Event | None]:
        """Events of a text; None after each step of all rows."""
        rows: tuple[Row, ...] = ("baseline",) if self.run is None else ("baseline", *request.arms)
        count = request.max_tokens if self.run is None else min(request.max_tokens, LONGEST)
        names, _, _ = self._values(request.cluster)
        place = self._coordinate(request.cluster, request.end)
        yield StartEvent(
            fingerprint=self.fingerprint,
            rows=rows,
            own_coordinate=OWN,
            coordinate=place,
            off_manifold=dict.fromkeys(rows, 1.0),
            prompt_tokens=_tokens(request),
        )
        texts: dict[Row, str] = dict.fromkeys(rows, "")
        for index in range(count):
            for row in rows:
                word = f" {names[index % len(names)]}" if row != "linear" else " and"
                texts[row] += word
                yield TokenEvent(row=row, index=index, text=word, token_id=index, logprob=-0.1)
            yield None
        for row in rows:
            yield RowDoneEvent(row=row, finish="length", text=texts[row], hook_fired=0 if row == "baseline" else 1)
        yield DoneEvent(
            hook_fired={row: 0 if row == "baseline" else 1 for row in rows},
            finish=dict.fromkeys(rows, "length"),
            tokens=count * len(rows),
            written={row: self._written(request.cluster, texts[row]) for row in rows},
        )

    def _written(self, cluster: int, text: str) -> Written:
        """Each value in a text lies at its coordinate; the last word is far from the curve."""
        names, coordinates, _ = self._values(cluster)
        words = text.split()
        tokens = tuple(
            WrittenToken(
                text=f" {word}",
                coordinate=float(coordinates[names.index(word)]) if word in names else 0.0,
                off_manifold=3.0 if at == len(words) - 1 else 1.0,
                fires=word in names,
            )
            for at, word in enumerate(words)
        )
        return Written(tokens=tokens, perplexity=1.5, repeated=0.25)

    def _features(self, cluster: int) -> tuple[int, ...]:
        return (1,) if self.run is None else self.run.summary(cluster).features

    def _values(self, cluster: int) -> tuple[tuple[str, ...], np.ndarray, bool]:
        if self.run is None:
            return ("Monday",), np.zeros(1), True
        summary = self.run.summary(cluster)
        names = tuple(name.strip() for name in summary.order)
        return names, self.run.cluster(cluster).value_coordinate, summary.shape == "closed curve"

    def _coordinate(self, cluster: int, place: PathEnd | None) -> float:
        names, coordinates, _ = self._values(cluster)
        if place is None:
            return OWN
        return float(coordinates[names.index(place.strip())]) if isinstance(place, str) else place

    @reply.register
    def behaviour(self, request: BehaviourRequest) -> BehaviourReply:
        names, coordinates, closed = self._values(request.cluster)
        start, end = self._coordinate(request.cluster, request.start), self._coordinate(request.cluster, request.end)
        length = (end - start + 0.5) % 1.0 - 0.5 if closed else end - start
        steps = np.linspace(0, 1, request.waypoints) * request.strength * (1.0 if self.moves else 0.0)
        along = start + length * steps
        target = int(np.argmin(_gap(coordinates, np.array(end), closed)))
        arms = tuple(
            self._arm(arm, along, steps, coordinates, closed, names, target).model_copy(update={"repeat": repeat})
            for arm in request.arms
            for repeat in range(request.random_repeats if arm == "random" else 1)
        )
        baseline = _probabilities(np.array([OWN]), coordinates, closed)[0]
        effect = Effect(
            shift=0.95 if self.moves else 0.01, control_mean=0.02, control_max=0.05, controls=4, moves_model=self.moves,
            control_sd=0.01, over_spread=93.0 if self.moves else -1.0, distinguishable=self.moves,
        )  # fmt: skip
        return BehaviourReply(
            fingerprint=self.fingerprint,
            run=request.run,
            cluster=request.cluster,
            closed=closed,
            values=names,
            value_coordinate=tuple(float(c) for c in coordinates),
            partial_values=(),
            own_coordinate=OWN,
            own_off_manifold=1.0,
            start=start,
            end=end,
            strength=request.strength,
            seed=request.seed,
            baseline=tuple(map(float, baseline)),
            baseline_top=TopToken(text=names[int(np.argmax(baseline[:-1]))], probability=float(baseline.max())),
            arms=arms,
            effect=effect,
            prompt_tokens=_tokens(request),
            meter=Meter(
                strengths=(-4.0, -2.0, 0.0, 2.0, 4.0),
                positions=(0.0, 1.0),
                off_manifold=((1.0,) * 5, (9.0, 5.0, 1.0, 1.5, 6.0)),
                safe=2.0,
            ),
        )

    def _arm(
        self,
        arm: Arm,
        along: np.ndarray,
        steps: np.ndarray,
        coordinates: np.ndarray,
        closed: bool,
        names: tuple[str, ...],
        target: int,
    ) -> ArmBehaviour:
        if arm == "manifold":
            rows = _probabilities(along, coordinates, closed)
        else:
            ends = _probabilities(along[[0, -1]], coordinates, closed)
            turn = 1 / (1 + np.exp(-14 * (steps - 0.5)))[:, None]
            rows = ends[0] * (1 - turn) + ends[1] * turn
            lost = 0.45 * np.exp(-(((steps - 0.5) / 0.16) ** 2))[:, None]
            rows = rows * (1 - lost) + lost * np.eye(rows.shape[1])[-1]
        rows = rows / rows.sum(axis=1, keepdims=True)
        best = rows[:, :-1].argmax(axis=1)
        return ArmBehaviour(
            arm=arm,
            coordinate=tuple(float(u % 1.0 if closed else u) for u in along) if arm == "manifold" else None,
            probabilities=tuple(tuple(min(float(p), 1.0) for p in row) for row in rows),
            top=tuple(
                TopToken(text=names[i], probability=min(float(row[i]), 1.0)) for i, row in zip(best, rows, strict=True)
            ),
            off_manifold=tuple(float(x) for x in (1 + 2 * np.abs(np.sin(np.pi * steps)) * (arm != "manifold"))),
            kl=tuple(0.0 for _ in steps),
            e_bc=0.05 if arm == "manifold" else 0.83,
            reach=Reach(
                target=names[target],
                p_target=min(float(rows[-1, target]), 1.0),
                visited=1.0 if arm == "manifold" else 0.5,
            ),
            hook_fired=len(steps),
            state_coordinate=tuple(float(u % 1.0 if closed else np.clip(u, 0, 1)) for u in along),
            answer_coordinate=tuple(float(coordinates[at]) for at in best),
            isometry=0.99 if arm == "manifold" else 0.5,
        )


def _across(start: str, end: str, curve: float, straight: float) -> AcrossPrompts:
    def spread(arm: Arm, energy: float) -> ArmSpread:
        return ArmSpread(arm=arm, e_bc=Spread(mean=energy, sd=0.01), p_target=Spread(mean=0.9, sd=0.02), visited=1.0)

    arms = (spread("manifold", curve), spread("linear", straight), spread("chord", straight))
    return AcrossPrompts(start=start, end=end, prompts=8, arms=arms)


def _gap(coordinates: np.ndarray, at: np.ndarray, closed: bool) -> np.ndarray:
    gap = np.abs(coordinates - at)
    return np.minimum(gap % 1.0, 1 - gap % 1.0) if closed else gap


def _probabilities(along: np.ndarray, coordinates: np.ndarray, closed: bool) -> np.ndarray:
    spacing = 1 / len(coordinates)
    near = np.exp(-SHARPNESS * (_gap(coordinates[None, :], along[:, None], closed) / spacing) ** 2)
    with_other = np.concatenate([near, np.full((len(along), 1), 0.02)], axis=1)
    return with_other / with_other.sum(axis=1, keepdims=True)


def _tokens(request: PathRequest) -> tuple[PromptToken, ...]:
    """The prompt word by word; a chat message is enclosed in the template's markers, which are not steered."""
    words = [f" {word}" for word in request.prompt.split()]
    everywhere = request.where == "all_prompt"
    tokens = [PromptToken(text=word, steered=everywhere or word is words[-1]) for word in words]
    if request.chat is None:
        return tuple(tokens)
    before, over, answer = (
        PromptToken(text=mark, steered=False, special=True) for mark in ("<user>", "<over>", "<me>")
    )
    return (before, *tokens, over, answer)
