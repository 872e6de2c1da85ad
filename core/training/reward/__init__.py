"""What a response is worth, as one number: metrics, functions, models and mixtures of them."""

from core.training.reward.reward import FunctionReward, MetricReward, Reward, Sample, as_reward

__all__ = ["FunctionReward", "MetricReward", "Reward", "Sample", "as_reward"]
