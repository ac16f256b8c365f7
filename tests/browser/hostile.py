"""A run in which every string is an XSS payload that calls `hit(n)` if a browser executes it."""

from dataclasses import replace
from itertools import product
from pathlib import Path

from explorer.config import BuildSettings
from explorer.records.bundle import FeatureLabel, Vocabulary
from explorer.records.subject import DatasetInfo, ModelInfo, SaeInfo, SubjectInfo
from explorer.runs.run.label_file import LabelTable
from explorer.runs.run.writer import RunWriter
from tests.planted import DATASET, EVIDENCE, MODEL, SAE, RunParts, _portrait, planted_parts

FINGERPRINT = "sha256:" + "0f" * 32
_BREAKOUTS = ("", '">', "'>", "</script>", "</style>", "</title>", "</textarea>", "-->", "</svg>", "]]>", "</b></i>")
_TAGS = (
    "<script>hit({n})</script>",
    "<img src=x onerror=hit({n})>",
    "<svg onload=hit({n})>",
    "<svg><script>hit({n})</script></svg>",
    "<iframe srcdoc='<script>parent.hit({n})</script>'>",
    "<details open ontoggle=hit({n})>",
    "<body onload=hit({n})>",
    "<input autofocus onfocus=hit({n})>",
    "<video><source onerror=hit({n})>",
    "<object data=javascript:parent.hit({n})>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=hit({n})>",
    "<style>@keyframes x{{}}</style><b style=animation-name:x onanimationstart=hit({n})>",
)
_OTHERS = (
    '" onmouseover=hit({n}) x="',
    "' onmouseover='hit({n})",
    '<a href="javascript:hit({n})">x</a>',
    '<a href="java\tscript:hit({n})">x</a>',
    "javascript:hit({n})",
    "{{{{constructor.constructor('hit({n})')()}}}}",
    "${{hit({n})}}",
    "%{{hit({n})}}",
    "$\\href{{javascript:hit({n})}}{{x}}$",
    "$$\\unicode{{<img src=x onerror=hit({n})>}}$$",
    "<b>bold</b><sub onmouseover=hit({n})>",
    "&lt;img src=x onerror=hit({n})&gt;",
    "&#60;img src=x onerror=hit({n})&#62;",
    "\\u003cimg src=x onerror=hit({n})\\u003e",
    "\u202e<img src=x onerror=hit({n})>",
    "<ſcript>hit({n})</ſcript>",
    "<!--><img src=x onerror=hit({n})>",
    "'-hit({n})-'",
    '";hit({n});//',
    "</script><script>hit({n})//",
    "__proto__",
    "constructor",
)


def corpus() -> list[str]:
    """All payloads, numbered consecutively."""
    patterns = [breakout + tag for breakout, tag in product(_BREAKOUTS, _TAGS)] + list(_OTHERS)
    return [pattern.format(n=n) for n, pattern in enumerate(patterns)]


class Attacks:
    """Cycles through the corpus and records every payload handed out."""

    def __init__(self, start: int) -> None:
        self._corpus = corpus()
        self._next = start
        self.given: list[str] = []

    def take(self, longest: int = 200) -> str:
        """The next payload of at most `longest` characters."""
        while True:
            attack = self._corpus[self._next % len(self._corpus)]
            self._next += 1
            if len(attack) <= longest:
                self.given.append(attack)
                return attack


def write_hostile_run(path: Path, attacks: Attacks) -> None:
    """Write the planted run with every string replaced by a payload."""
    parts = planted_parts()
    count = len(parts.vocabulary)
    words = [" " + attacks.take() for _ in range(count)]
    parts = replace(parts, vocabulary=Vocabulary.pack(words))
    model = replace(MODEL, id=attacks.take(), revision=attacks.take())
    sae = replace(SAE, id=attacks.take())
    with RunWriter(path) as writer:
        _write(writer, parts, attacks, (model, sae, replace(DATASET, name=attacks.take())))


def _write(writer: RunWriter, parts: RunParts, attacks: Attacks, infos: tuple[ModelInfo, SaeInfo, DatasetInfo]) -> None:
    model, sae, dataset = infos
    summaries = [
        replace(
            summary,
            label=attacks.take(),
            words=attacks.take(),
            order=tuple(attacks.take() for _ in summary.order),
            scores=summary.scores | {attacks.take(): 0.5},
        )
        for summary in parts.summaries
    ]
    writer.write_features(parts.table)
    writer.write_graph(parts.graph)
    writer.write_tree(parts.tree)
    writer.write_vocabulary(parts.vocabulary)
    labels = (FeatureLabel(one, attacks.take(), attacks.take()) for one in range(len(parts.table.fires)))
    writer.write_labels(LabelTable.pack(labels))
    for summary, geometry in zip(summaries, parts.geometries, strict=True):
        writer.write_cluster(summary.id, geometry, _portrait(geometry))
    writer.finish(
        title=attacks.take(),
        model=model,
        sae=sae,
        subject=SubjectInfo(FINGERPRINT, model, sae, attacks.take(), attacks.take()),
        dataset=dataset,
        bundle="0" * 64,
        settings=BuildSettings(),
        seeds={attacks.take(): 0},
        versions={attacks.take(): attacks.take()},
        n_tokens=dataset.n_tokens,
        clusters=summaries,
        dropped={attacks.take(): 1},
        evidence=EVIDENCE,
    )
