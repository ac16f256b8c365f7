"""Steers one subject: next-token behaviour along paths, and text. The only part of steering that touches torch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from explorer.config import SteeringLimits
from explorer.errors import RequestError
from explorer.lm.load import LoadedModel
from explorer.lm.rows import Decoder, Place, Prefix, next_rows, read_last, read_prefix
from explorer.lm.sae import Sae
from explorer.maths.steering import Path
from explorer.records import SubjectInfo
from explorer.runs.run import Run
from explorer.steering.measure import Aim, aim_of, arm_behaviour, effect_of
from explorer.steering.moves import Move, controls, moves, off_curve, own_place, path_from, place_of
from explorer.steering.natural import Prepared, prepare
from explorer.steering.protocol import (
    BehaviourReply,
    BehaviourRequest,
    DoneEvent,
    Effect,
    ErrorEvent,
    PromptToken,
    Row,
    RowDoneEvent,
    StartEvent,
    SteerRequest,
    TokenEvent,
    TopToken,
)
from explorer.steering.readout import Readout, custom_readout
from explorer.steering.refusal import Refusal, overflow
from explorer.steering.text import token_texts
from explorer.steering.writing import write

CONTROLS = 8
"""Random directions that the manifold arm is held against."""
PATH_POINTS = 50
"""Waypoints of the path that generation picks its one place from."""
_READ_BATCH = 64
_KEPT_CLUSTERS = 64

Event = StartEvent | TokenEvent | RowDoneEvent | DoneEvent | ErrorEvent


@dataclass(frozen=True)
class Subject:
    """What a host holds."""

    loaded: LoadedModel
    """Model and tokenizer."""
    sae: Sae
    """The sparse autoencoder."""
    place: Place
    """Layer and hook that are steered."""
    fingerprint: str
    """Over all of it."""
    info: SubjectInfo
    """Names, as the run gives them."""


@dataclass(frozen=True)
class Prompt:
    """A prompt as the model has read it."""

    prefix: Prefix
    """Its cache and the state at its last token."""
    tokens: tuple[PromptToken, ...]
    """What to show of it."""


class Engine:
    """Answers requests on one subject, one at a time; only what is known of clusters outlives a request."""

    def __init__(self, subject: Subject, runs: Mapping[str, Run], limits: SteeringLimits) -> None:
        self.subject = subject
        self.runs = dict(runs)
        self.limits = limits
        self._prepared: dict[tuple[str, int], Prepared] = {}
        self._texts = {name: run.vocabulary() for name, run in self.runs.items()}

    def behaviour(self, request: BehaviourRequest) -> BehaviourReply:
        """Next-token behaviour at every waypoint of every arm, in one batch with the unsteered row.

        Raises:
            RequestError: a field is out of its range for this subject and cluster.
            Refusal: another subject or run, or logits that are not finite.
            HookNotFired: the edit did not happen.
        """
        self._check(request)
        if request.waypoints > self.limits.max_waypoints:
            raise RequestError("waypoints", str(request.waypoints), f"at most {self.limits.max_waypoints}")
        prepared = self.prepared(request.run, request.cluster)
        readout = self._readout(request, prepared)
        prompt = self.read(request.prompt)
        t = np.linspace(0.0, 1.0, request.waypoints)
        path, arms = self._moves(request, prepared, prompt.prefix, t, request.random_repeats)
        chance = controls(prepared.manifold, prompt.prefix.residual, path, seed=request.seed,
                          strength=request.strength, count=CONTROLS)  # fmt: skip
        p = self.next_probabilities(prompt.prefix, [*(move.displacement for move in arms), chance])
        return self._reply(request, prepared, readout, prompt, path, arms, p)

    def generate(self, request: SteerRequest) -> Iterator[Event]:
        """Text of every arm beside the unsteered model's, one token a row at a time. Closing the iterator stops it.

        Raises:
            RequestError, Refusal, HookNotFired: as in behaviour; before the first event, or in the middle.
        """
        self._check(request)
        if request.max_tokens > self.limits.max_new_tokens:
            raise RequestError("max_tokens", str(request.max_tokens), f"at most {self.limits.max_new_tokens}")
        prepared = self.prepared(request.run, request.cluster)
        prompt = self.read(request.prompt, room=1)
        at = round(request.position * (PATH_POINTS - 1))
        t = np.linspace(0.0, 1.0, PATH_POINTS)
        t[at] = request.position
        path, arms = self._moves(request, prepared, prompt.prefix, t, 1)
        rows = [np.zeros_like(prompt.prefix.residual, dtype=np.float64), *(move.displacement[at] for move in arms)]
        names: tuple[Row, ...] = ("baseline", *(move.arm for move in arms))
        off = off_curve(prepared.manifold, prompt.prefix.residual, np.stack(rows)) / prepared.spread
        yield StartEvent(
            fingerprint=self.subject.fingerprint,
            rows=names,
            own_coordinate=own_place(prepared.manifold, prompt.prefix.residual)[0],
            coordinate=float(path.u[at]),
            off_manifold=dict(zip(names, off.tolist(), strict=True)),
            prompt_tokens=prompt.tokens,
        )
        loaded, ids = self.subject.loaded, prompt.prefix.token_ids[0].tolist()
        steps = _Steps(Decoder(self.subject.place, prompt.prefix, self._tensor(np.stack(rows)),
                               every_token=request.where == "generated"), loaded.device)  # fmt: skip
        yield from write(
            steps, names, self.decode, ids, self._ends(),
            max_tokens=min(request.max_tokens, loaded.max_context - len(ids)),
            temperature=request.temperature,
            rng=np.random.default_rng(request.seed),
        )  # fmt: skip

    def prepared(self, run: str, cluster: int) -> Prepared:
        """A cluster ready for steering, the unsteered model's behaviour at its contexts included; kept once made."""
        key = (run, cluster)
        if key not in self._prepared:
            found = self._run(run)
            if not 0 <= cluster < len(found.manifest.clusters):
                raise RequestError("cluster", str(cluster), f"0 to {len(found.manifest.clusters) - 1}")
            summary, geometry = found.summary(cluster), found.cluster(cluster)
            if len(self._prepared) >= _KEPT_CLUSTERS:
                self._prepared.pop(next(iter(self._prepared)))
            self._prepared[key] = prepare(summary, geometry, self.tokenize, self.bos, self.read_texts)
        return self._prepared[key]

    def read(self, prompt: str, *, room: int = 0) -> Prompt:
        """Read a prompt as harvested text is read, special tokens included, up to its last token.

        Raises:
            RequestError: it is empty, or longer than the limits or the model allow.
        """
        tokenizer = self.subject.loaded.tokenizer
        ids: list[int] = tokenizer(prompt)["input_ids"]
        longest = min(self.limits.max_prompt_tokens, self.subject.loaded.max_context - room)
        if not 1 <= len(ids) <= longest:
            raise RequestError("prompt", f"{len(ids)} tokens", f"1 to {longest}")
        special = set(tokenizer.all_special_ids)
        texts = token_texts(self.decode, ids)
        shown = [
            PromptToken(text=text, steered=index == len(ids) - 1, special=token in special)
            for index, (text, token) in enumerate(zip(texts, ids, strict=True))
        ]
        return Prompt(self.read_ids(ids), tuple(shown))

    def read_ids(self, token_ids: list[int]) -> Prefix:
        """Read token ids up to the last one."""
        return read_prefix(self.subject.place, torch.tensor([token_ids], device=self.subject.loaded.device))

    def read_texts(
        self, texts: list[list[int]]
    ) -> tuple[Float[np.ndarray, "text d_model"], Float[np.ndarray, "text vocab"]]:
        """Activation and next-token probabilities at the last token of each text, unsteered."""
        states: list[Float[np.ndarray, d_model]] = [np.empty(0)] * len(texts)
        behaviours: list[Float[np.ndarray, vocab]] = [np.empty(0)] * len(texts)
        for batch in _equal_lengths(texts):
            ids = torch.tensor([texts[index] for index in batch], device=self.subject.loaded.device)
            residual, logits = read_last(self.subject.place, ids)
            for index, state, p in zip(batch, residual.cpu().numpy(), _probabilities(logits), strict=True):
                states[index], behaviours[index] = state, p
        return np.stack(states), np.stack(behaviours)

    def next_probabilities(
        self, prefix: Prefix, displacements: list[Float[np.ndarray, "row d_model"]]
    ) -> list[Float[np.ndarray, "row vocab"]]:
        """Next-token probabilities of the unsteered row and of every displaced row, one batch, split as given.

        Raises:
            Refusal: a row's logits are not finite.
            HookNotFired: the edit did not happen.
        """
        rows = np.concatenate([np.zeros((1, len(prefix.residual))), *displacements])
        p = _probabilities(next_rows(self.subject.place, prefix, self._tensor(rows)).logits)
        return np.split(p, np.cumsum([1, *(len(part) for part in displacements)])[:-1])

    def decode(self, token_ids: Sequence[int]) -> str:
        """Token ids as text, special tokens included."""
        return str(self.subject.loaded.tokenizer.decode(list(token_ids), clean_up_tokenization_spaces=False))

    def tokenize(self, text: str) -> list[int]:
        """Token ids of a piece of text, without special tokens."""
        ids: list[int] = self.subject.loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    @property
    def bos(self) -> int | None:
        """Token that the tokenizer puts before every text, None where it puts none."""
        first = self.subject.loaded.tokenizer("a")["input_ids"][:1]
        token = self.subject.loaded.tokenizer.bos_token_id
        return int(first[0]) if first and first[0] == token else None

    def _check(self, request: BehaviourRequest | SteerRequest) -> None:
        self._run(request.run)
        held = self.subject.fingerprint
        if request.fingerprint != held:
            message = f"this host holds {held}, the request is for {request.fingerprint}"
            raise Refusal(409, "fingerprint_mismatch", message, field="fingerprint")
        if abs(request.strength) > self.limits.max_strength:
            raise RequestError("strength", f"{request.strength:g}", f"at most {self.limits.max_strength:g} either way")

    def _run(self, name: str) -> Run:
        if name not in self.runs:
            raise Refusal(404, "not_found", f"no run {name!r} here: {', '.join(self.runs)}", field="run")
        return self.runs[name]

    def _readout(self, request: BehaviourRequest, prepared: Prepared) -> Readout:
        if request.values is not None:
            return custom_readout(request.values, prepared.readout, self.tokenize)
        if not prepared.readout.names:
            raise RequestError("values", "none, and the cluster names none", "readout values")
        return prepared.readout

    def _moves(
        self,
        request: BehaviourRequest | SteerRequest,
        prepared: Prepared,
        prefix: Prefix,
        t: Float[np.ndarray, "waypoint"],
        random_repeats: int,
    ) -> tuple[Path, list[Move]]:
        summary, geometry = prepared.summary, prepared.geometry
        start = None if request.start is None else place_of(request.start, "start", summary, geometry)
        end = place_of(request.end, "end", summary, geometry)
        path = path_from(prepared.manifold, prefix.residual, start, end, t)
        arms = moves(prepared.manifold, prefix.residual, path, request.arms, seed=request.seed,
                     strength=request.strength, random_repeats=random_repeats)  # fmt: skip
        return path, arms

    def _reply(
        self,
        request: BehaviourRequest,
        prepared: Prepared,
        readout: Readout,
        prompt: Prompt,
        path: Path,
        arms: list[Move],
        p: list[Float[np.ndarray, "row vocab"]],
    ) -> BehaviourReply:
        """Put together what was measured: p holds the unsteered row, one part for each arm, and the controls."""
        (baseline, *along, chance), residual = p, prompt.prefix.residual
        aim = aim_of(readout, path, request.end, closed=prepared.closed)
        first = readout.probabilities(baseline)[0]
        own, off = own_place(prepared.manifold, residual)
        tops = [self._tops(request.run, rows) for rows in along]
        measured = tuple(
            arm_behaviour(prepared, readout, residual, path, aim, move, rows, baseline[0], top)
            for move, rows, top in zip(arms, along, tops, strict=True)
        )
        return BehaviourReply(
            fingerprint=self.subject.fingerprint,
            run=request.run,
            cluster=request.cluster,
            closed=prepared.closed,
            values=readout.names,
            value_coordinate=readout.coordinate,
            partial_values=readout.partial,
            own_coordinate=own,
            own_off_manifold=off / prepared.spread,
            start=float(path.u[0]),
            end=float(path.end),
            strength=request.strength,
            seed=request.seed,
            baseline=tuple(first.tolist()),
            baseline_top=self._tops(request.run, baseline)[0],
            arms=measured,
            effect=_effect(readout, aim, arms, along, first, chance),
            prompt_tokens=prompt.tokens,
        )

    def _tops(self, run: str, p: Float[np.ndarray, "row vocab"]) -> tuple[TopToken, ...]:
        """Likeliest next token of each row."""
        texts, best = self._texts[run], p.argmax(axis=1)
        return tuple(
            TopToken(text=texts.text(token) if token < len(texts) else "", probability=min(float(row[token]), 1.0))
            for token, row in zip(best.tolist(), p, strict=True)
        )

    def _ends(self) -> frozenset[int]:
        """Tokens that end a text."""
        loaded = self.subject.loaded
        told = getattr(loaded.model.generation_config, "eos_token_id", None)
        ends = {loaded.tokenizer.eos_token_id, *(told if isinstance(told, list) else [told])}
        return frozenset(int(token) for token in ends if token is not None)

    def _tensor(self, rows: Float[np.ndarray, "row d_model"]) -> Tensor:
        return torch.tensor(rows, dtype=torch.float32, device=self.subject.loaded.device)


class _Steps:
    """A decoder that speaks numpy."""

    def __init__(self, decoder: Decoder, device: torch.device) -> None:
        self._decoder = decoder
        self._device = device

    @property
    def fired(self) -> int:
        return self._decoder.fired

    def step(self) -> Float[np.ndarray, "row vocab"]:
        logprobs = torch.log_softmax(_finite(self._decoder.step()), dim=-1)
        return np.asarray(logprobs.cpu().numpy())

    def feed(self, token_ids: Int64[np.ndarray, "row"]) -> None:
        self._decoder.feed(torch.tensor(token_ids, device=self._device))


def _effect(
    readout: Readout,
    aim: Aim,
    arms: list[Move],
    along: list[Float[np.ndarray, "row vocab"]],
    baseline: Float[np.ndarray, "behaviour"],
    chance: Float[np.ndarray, "control vocab"],
) -> Effect | None:
    for move, rows in zip(arms, along, strict=True):
        if move.arm == "manifold":
            return effect_of(aim, baseline, readout.probabilities(rows), readout.probabilities(chance))
    return None


def _finite(logits: Tensor) -> Tensor:
    if not bool(torch.isfinite(logits).all()):
        raise overflow()
    return logits


def _probabilities(logits: Tensor) -> Float[np.ndarray, "row vocab"]:
    return np.asarray(torch.softmax(_finite(logits), dim=-1).cpu().numpy())


def _equal_lengths(texts: list[list[int]]) -> Iterator[list[int]]:
    """Numbers of the texts, in batches of equal length: padding would have to be masked."""
    by_length: dict[int, list[int]] = {}
    for index, text in enumerate(texts):
        by_length.setdefault(len(text), []).append(index)
    for same in by_length.values():
        yield from (same[start : start + _READ_BATCH] for start in range(0, len(same), _READ_BATCH))
