"""Learning from examples: a batch, an objective, a step."""

from core.training.supervised.causal import CausalObjective
from core.training.supervised.learner import Objective, SupervisedLearner, Tally

__all__ = ["CausalObjective", "Objective", "SupervisedLearner", "Tally"]
