"""Running suites and turning what they measured into a report."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from core.data import dataset
from core.errors import InternalError, UnknownName
from core.evaluation.suite import Suite
from core.files import sha256_of
from core.products import load_products
from core.progress import ProgressCallback

_VERSIONED = ("trivium", "torch", "transformers", "faiss-cpu", "spacy", "scikit-learn", "numpy")


def load_suites() -> dict[str, Suite]:
    """The suites of all installed products, by name. Two suites of one name are a bug of ours."""
    suites: dict[str, Suite] = {}
    for product in load_products():
        for suite in product.suites():
            if suite.name in suites:
                raise InternalError(f"Two suites are named '{suite.name}'.")
            suites[suite.name] = suite
    return suites


def choose_suites(names: Iterable[str]) -> list[Suite]:
    """Suites by name, in the order asked. Raises `UnknownName` before anything runs."""
    known = load_suites()
    missing = [name for name in names if name not in known]
    if missing:
        raise UnknownName("suite", missing[0], list(known))
    return [known[name] for name in names]


def run_suite(suite: Suite, *, limit: int | None, progress: ProgressCallback) -> dict[str, Any]:
    """Run one suite; the report entry as plain JSON values."""
    data_sha256 = hash_data(suite)
    started, cpu_started = time.perf_counter(), time.process_time()
    outcome = suite.run(limit, progress)
    return {
        "suite": suite.name,
        "title": suite.title,
        "n": outcome.n,
        "metrics": {name: measure.value for name, measure in outcome.metrics.items()},
        "interval": {name: [measure.low, measure.high] for name, measure in outcome.metrics.items()},
        "published": [{"metric": p.metric, "value": p.value, "source": p.source} for p in suite.published],
        "notes": list(outcome.notes),
        "failures": list(outcome.failures),
        "limit": limit,
        "seconds": round(time.perf_counter() - started, 3),
        "cpu_seconds": round(time.process_time() - cpu_started, 3),
        "data_sha256": data_sha256,
        "versions": _versions(),
    }


def hash_data(suite: Suite) -> str:
    """One hash over the suite's public sets and own files; every public file is verified on the way."""
    digest = hashlib.sha256()
    for name in suite.data:
        entry = dataset(name)
        entry.verify()
        digest.update(entry.sha256.encode())
    for path in suite.files:
        digest.update(sha256_of(path).encode())
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _VERSIONED:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def format_entry(entry: dict[str, Any]) -> str:
    """A report entry as a person reads it: our figures with intervals, published ones beside them."""
    lines = [f"{entry['suite']} — {entry['title']}", f"  n = {entry['n']}, {entry['seconds']:.1f} s"]
    published: dict[str, list[str]] = {}
    for figure in entry["published"]:
        published.setdefault(figure["metric"], []).append(f"{figure['value']:.1%} {figure['source']}")
    for name, value in entry["metrics"].items():
        low, high = entry["interval"][name]
        beside = f"   published: {'; '.join(published.pop(name))}" if name in published else ""
        lines.append(f"  {name:<24}{value:>7.1%}  [{low:.1%}, {high:.1%}]{beside}")
    lines += [f"  published {name}: {'; '.join(figures)}" for name, figures in published.items()]
    lines += [f"  note: {note}" for note in entry["notes"]]
    lines.append(f"  data {entry['data_sha256'][:12]}")
    return "\n".join(lines)


def format_report(entries: list[dict[str, Any]]) -> str:
    """The report as JSON: a list with an object a suite."""
    return json.dumps(entries, ensure_ascii=False, indent=2) + "\n"
