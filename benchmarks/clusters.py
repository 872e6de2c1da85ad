"""How well clusters of utterances agree with labelled intents, the number of clusters not being told.

    OMP_NUM_THREADS=1 python -m benchmarks.clusters

BANKING77 training questions of the 39 labels that the way of clustering was not chosen on, and SMP2017's development
and test parts (Chinese; it was chosen on the training part), sampled with fixed seeds. Anchor: k-means on the plain
vectors, told the right number. Agreement: adjusted Rand index and normalised mutual information, means over the
samples with two standard errors. One JSON object on the last line.
"""

from __future__ import annotations

import csv
import json
import random
import statistics
from collections import defaultdict

from core.data import dataset
from core.models import load_embedder
from core.models.semantic_space import cluster

SAMPLES = ((5, 30), (10, 30), (20, 30), (31, 25), (10, 60), (5, 15), (8, 8), (3, 20), (15, 10), (6, 100))
"""Labels, and utterances of each (or as many as there are)."""
ENCODERS = (("all-minilm-l6-v2", "en"), ("multilingual-e5-small", "en"), ("multilingual-e5-small", "zh"))


def banking77_labels() -> list[str]:
    labels = sorted({row["category"] for row in _banking77()})
    random.Random(0).shuffle(labels)
    return labels[38:]


def _banking77() -> list[dict[str, str]]:
    with dataset("banking77").file("train.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def utterances(language: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    if language == "en":
        held_out = set(banking77_labels())
        for row in _banking77():
            if row["category"] in held_out:
                found[row["category"]].append(row["text"])
        return dict(found)
    for name in dataset("smp2017").files:
        if not name.startswith("train"):
            lines = dataset("smp2017").file(name).read_text(encoding="utf-8-sig").splitlines()
            found[name.rsplit("_", 1)[1].removesuffix(".txt")] += [line.strip() for line in lines if line.strip()]
    return dict(found)


def agreement(labels: list[str], found: list[int]) -> tuple[float, float]:
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    return adjusted_rand_score(labels, found), normalized_mutual_info_score(labels, found)


def summary(values: list[float]) -> list[float]:
    error = statistics.stdev(values) / len(values) ** 0.5
    return [round(statistics.mean(values), 3), round(2 * error, 3)]


def main() -> None:
    from sklearn.cluster import KMeans

    report = {}
    for encoder, language in ENCODERS:
        embedder = load_embedder(encoder)
        groups = utterances(language)
        ours, anchors, ratios, count = [], [], [], 0
        for seed, (many, each) in enumerate(SAMPLES):
            draw = random.Random(seed)
            chosen = draw.sample(sorted(groups), many)
            rows = [(text, name) for name in chosen for text in draw.sample(groups[name], min(each, len(groups[name])))]
            texts, labels = [text for text, _ in rows], [name for _, name in rows]
            found = [0] * len(texts)
            clusters = cluster(embedder, texts).clusters
            for number, one in enumerate(clusters):
                for index in one.members:
                    found[index] = number
            ours.append(agreement(labels, found))
            told = KMeans(many, n_init=3, random_state=0).fit_predict(embedder.encode_queries(texts))
            anchors.append(agreement(labels, told.tolist()))
            ratios.append(round(len(clusters) / many, 2))
            count += len(texts)
        report[f"{encoder}, {language}"] = {
            "utterances": count,
            "rand": summary([rand for rand, _ in ours]),
            "information": summary([information for _, information in ours]),
            "anchor_rand": summary([rand for rand, _ in anchors]),
            "anchor_information": summary([information for _, information in anchors]),
            "clusters_over_labels": ratios,
        }
        print(f"{encoder}, {language}: {report[f'{encoder}, {language}']}", flush=True)
    print(json.dumps({"benchmark": "clusters", "samples": len(SAMPLES), **report}))


if __name__ == "__main__":
    main()
