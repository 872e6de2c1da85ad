"""Suite `phenopackets`: the rank of the true diagnosis among all OMIM diseases, for 8,170 published cases."""

from __future__ import annotations

from collections import defaultdict
from typing import cast

import numpy as np
from numpy.typing import NDArray

from apps.medical.diagnosis.likelihood import DiseaseSigns, Scorer
from apps.medical.evaluation.published_cases import Masking, Protocol, PublishedCase, countable, read_cases
from apps.medical.knowledge.store import Knowledge, open_knowledge
from core.data import dataset
from core.evaluation import Measure, Outcome, Published, Suite, proportion, spread
from core.progress import ProgressCallback

TOPS = (1, 3, 10)
PROTOCOLS: tuple[Protocol, ...] = ("masked", "strict", "unmasked")
_TIE = 1e-6
_PUBLISHED = (
    ("Exomiser, phenotypes only", (0.355, 0.463, 0.585)),
    ("o1-preview", (0.236, 0.312, 0.368)),
    ("GPT-4o", (0.208, 0.294, 0.355)),
    ("GPT-4o asked in Chinese", (0.185, 0.272, 0.285)),
)


def rank_of_truth(
    scorer: Scorer, case: PublishedCase, changed: dict[int, DiseaseSigns], candidates: NDArray[np.bool_]
) -> float:
    """Rank of the diagnosis among `candidates`, from 1; of tied diseases each gets the mean of their ranks."""
    scores = scorer.scores(case.case)
    for disease, signs in changed.items():
        scores[disease] = scorer.score_one(case.case, disease, signs)
    own = scores[cast(int, case.disease)]
    eligible = scores[candidates]
    better = int((eligible > own + _TIE).sum())
    tied = int((np.abs(eligible - own) <= _TIE).sum())
    return better + (tied + 1) / 2


def run(limit: int | None, progress: ProgressCallback) -> Outcome:
    """Rank every countable case under the three protocols of `published_cases`."""
    knowledge = open_knowledge()
    cases = read_cases(dataset("phenopackets").file("phenopackets.dev.jsonl.gz"), knowledge)
    counted = countable(cases)
    chosen = [counted[index] for index in spread(len(counted), limit)]
    ranks, without_evidence = rank_all(knowledge, cases, chosen, progress)
    metrics: dict[str, Measure] = {}
    for protocol in PROTOCOLS:
        for top in TOPS:
            metrics[f"{protocol}_top{top}"] = proportion(int((ranks[protocol] <= top).sum()), len(chosen))
    held_out = np.array([case.held_out for case in chosen])
    for top in TOPS:
        hits = int((ranks["masked"][held_out] <= top).sum())
        metrics[f"masked_held_out_top{top}"] = proportion(hits, int(held_out.sum()))
    return Outcome(
        n=len(chosen),
        metrics=metrics,
        notes=_notes(knowledge, cases, chosen, ranks["masked"], without_evidence),
        failures=_failures(knowledge, chosen, ranks["masked"]),
    )


def rank_all(
    knowledge: Knowledge, cases: list[PublishedCase], chosen: list[PublishedCase], progress: ProgressCallback
) -> tuple[dict[Protocol, NDArray[np.float64]], int]:
    """Ranks by protocol for `chosen`, and how many of them have no evidence left once masked."""
    scorer, masking = Scorer(knowledge), Masking(knowledge, cases)
    candidates = np.array([disease.startswith("OMIM:") for disease in knowledge.diseases])
    ranks: dict[Protocol, list[float]] = {protocol: [] for protocol in PROTOCOLS}
    without_evidence = 0
    for done, case in enumerate(chosen, start=1):
        for protocol in PROTOCOLS:
            changed = masking.signs(case.papers, protocol)
            if protocol == "masked" and case.disease in changed and not changed[case.disease].frequency:
                without_evidence += 1
            ranks[protocol].append(rank_of_truth(scorer, case, changed, candidates))
        progress(done, len(chosen))
    return {protocol: np.array(row) for protocol, row in ranks.items()}, without_evidence


def _notes(
    knowledge: Knowledge,
    cases: list[PublishedCase],
    chosen: list[PublishedCase],
    masked: NDArray[np.float64],
    without_evidence: int,
) -> tuple[str, ...]:
    unlisted = sum(case.disease is None for case in cases)
    nothing = sum(case.disease is not None and not case.case.present for case in cases)
    by_disease = defaultdict(list)
    for case, rank in zip(chosen, masked, strict=True):
        by_disease[case.disease].append(rank <= 1)
    everything = len(chosen) + (unlisted + nothing) * len(chosen) / max(1, len(countable(cases)))
    floor = {top: float((masked <= top).sum() / everything) for top in (1, 10)}
    macro = float(np.mean([np.mean(hits) for hits in by_disease.values()]))
    candidates = sum(disease.startswith("OMIM:") for disease in knowledge.diseases)
    return (
        f"{len(cases)} cases in the set; not counted: {unlisted} whose diagnosis is not in the annotation release "
        f"{knowledge.release}, {nothing} without an observed sign. Counting them as misses: masked "
        f"top-1 {floor[1]:.3f}, top-10 {floor[10]:.3f}.",
        f"Ranked among {candidates} OMIM diseases; ties take the mean rank; observed and excluded signs, sex and age "
        "are used.",
        "masked: what the case's own paper contributed is taken out (patients subtracted from pooled counts); "
        f"{without_evidence} counted cases have no evidence left then and are nearly sure misses.",
        "strict: every statement that cites the paper is dropped, also where other papers say the same; unmasked: "
        "nothing is dropped.",
        f"Mean over the {len(by_disease)} diseases instead of over cases: masked top-1 {macro:.3f}.",
        "held_out: cases of the diseases that had no part in choosing the smoothing, the discount and the floor.",
        "The published figures are on 5,213 cases of an earlier release, not masked, diagnoses matched leniently.",
    )


def _failures(knowledge: Knowledge, chosen: list[PublishedCase], masked: NDArray[np.float64]) -> tuple[str, ...]:
    worst = [index for index in np.argsort(-masked)[:200:20] if masked[index] > max(TOPS)]
    return tuple(
        f"{chosen[i].id}: {knowledge.names[cast(int, chosen[i].disease)]} at rank {masked[i]:.0f} "
        f"from {len(chosen[i].case.present)} observed signs"
        for i in worst
    )


SUITE = Suite(
    name="phenopackets",
    title="Published rare-disease cases: rank of the true diagnosis",
    run=run,
    data=("phenopackets",),
    published=tuple(
        Published(f"unmasked_top{top}", value, f"{system}, pheval.llm result tables, 5,213 cases")
        for system, values in _PUBLISHED
        for top, value in zip(TOPS, values, strict=True)
    ),
)
