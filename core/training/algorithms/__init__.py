"""Ways to learn from rewarded responses: PPO, GRPO, RLOO, REINFORCE."""

from core.training.algorithms.grpo import GRPO
from core.training.algorithms.ppo import PPO
from core.training.algorithms.reinforce import Reinforce

__all__ = ["GRPO", "PPO", "Reinforce"]
