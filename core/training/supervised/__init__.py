"""Learning from examples: a batch, an objective, a step."""

from core.training.supervised.causal import CausalObjective
from core.training.supervised.learner import SupervisedLearner
from core.training.supervised.objective import Objective, Tally

__all__ = ["CausalObjective", "Objective", "SupervisedLearner", "Tally"]
