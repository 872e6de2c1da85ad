"""What a recipe's `metric` stands for: a measure of a response, or a reward to learn for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import InputError
from core.metrics.composite import Composite, parse_metric
from core.metrics.metric import NO_CONTEXT, Contexts, Metric, Need, Score
from core.training.pipeline.examples import Example
from core.training.pipeline.recipe import REWARD_MODEL
from core.training.reward import FunctionReward, MetricReward, Mixture, Reward, metric_reward


@dataclass(frozen=True, slots=True)
class _Placeholder:
    """Stands for the reward model while an expression is read; it measures nothing."""

    name: str = REWARD_MODEL
    needs: frozenset[Need] = frozenset()

    def score(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> list[Score]:
        raise InputError("The reward model is a reward, not a measure.", hint="Use it in a stage's metric alone.")


def measure(expression: str, own: Mapping[str, Metric]) -> Metric:
    """The metric of `expression`; `own` are the data's. Raises as `parse_metric` does."""
    if is_code(expression):
        raise InputError(f"'{expression}' is code, not a measure.", hint="Code can be a stage's reward alone.")
    return parse_metric(expression, own)


def metric_part(expression: str, own: Mapping[str, Metric]) -> Metric | None:
    """What of a stage's `metric` is measured by metrics; None for code, or the reward model alone."""
    terms = [] if is_code(expression) else _terms(expression, own)
    rest = tuple((weight, metric) for weight, metric in terms if metric.name != REWARD_MODEL)
    return Composite(rest, name=expression) if rest else None


def build_reward(
    expression: str,
    own: Mapping[str, Metric],
    *,
    cut: float = 0.0,
    reward_model: Reward | None = None,
    code: Path | None = None,
) -> Reward:
    """The reward of a stage's `metric`.

    Args:
        cut: what a response gets in addition that came to no end.
        reward_model: what the name "reward_model" stands for.
        code: the folder that "module:function" is looked for in before the installed packages; None where the recipe
            does not allow code.

    Raises:
        InputError, UnknownName: the expression cannot be used.
    """
    if is_code(expression):
        return _code_reward(expression, code)
    metric = metric_part(expression, own)
    weight = sum(weight for weight, term in _terms(expression, own) if term.name == REWARD_MODEL)
    if not weight:
        assert metric is not None
        return metric_reward(measure(expression, own), cut)
    if reward_model is None:
        raise InputError("There is no reward model.", hint="Put a stage 'reward' before the one that uses it.")
    parts: list[tuple[float, Reward]] = [(weight, reward_model)]
    if metric is not None:
        parts.append((1.0, MetricReward(metric, cut)))
    return Mixture(tuple(parts), name=expression)


def is_code(expression: str) -> bool:
    """Whether the expression names a Python function."""
    return ":" in expression


def check_needs(metric: Metric, examples: Sequence[Example]) -> None:
    """Raises `InputError` naming the first example that lacks what the metric needs."""
    for example in examples:
        for need in sorted(metric.needs):
            if not getattr(example.context, need):
                raise InputError(
                    f"The metric '{metric.name}' needs {need}; the example '{example.id}' has none.",
                    hint="Choose a metric the data has what it takes for, or mend the data.",
                )


def _terms(expression: str, own: Mapping[str, Metric]) -> list[tuple[float, Metric]]:
    parsed = parse_metric(expression, {**own, REWARD_MODEL: _Placeholder()})
    return (
        list(parsed.terms) if isinstance(parsed, Composite) and parsed.name == expression.strip() else [(1.0, parsed)]
    )


def _code_reward(expression: str, folder: Path | None) -> Reward:
    if folder is None:
        raise InputError(
            f"The reward '{expression}' is code, which this recipe does not allow.",
            hint="Set run_code = true in the recipe; only do so for code you trust.",
        )
    module_name, _, function_name = expression.partition(":")
    sys.path.insert(0, str(folder.resolve()))
    try:
        function = getattr(importlib.import_module(module_name), function_name, None)
    except ImportError as error:
        raise InputError(
            f"The module of '{expression}' cannot be imported: {error}.",
            hint=f"Put it beside the recipe, in '{folder}'.",
        ) from error
    finally:
        sys.path.remove(str(folder.resolve()))
    if not callable(function):
        raise InputError(f"There is no function '{function_name}' in '{module_name}'.", hint="Name module:function.")
    return FunctionReward(function, expression)
