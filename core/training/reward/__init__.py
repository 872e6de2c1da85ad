"""What a response is worth, as one number: metrics, functions, models and mixtures of them."""

from core.training.reward.hacking import HackingSigns, hacking_signs
from core.training.reward.mixtures import Ensemble, Mixture, Standardised, standardised
from core.training.reward.reward import (
    FunctionReward,
    MetricReward,
    Reward,
    Sample,
    StepwiseReward,
    as_reward,
    metric_reward,
)

__all__ = [
    "Ensemble",
    "FunctionReward",
    "HackingSigns",
    "MetricReward",
    "Mixture",
    "Reward",
    "Sample",
    "Standardised",
    "StepwiseReward",
    "as_reward",
    "hacking_signs",
    "metric_reward",
    "standardised",
]
