"""Learning from what people preferred, without drawing responses: DPO, IPO, KTO."""

from core.training.preference.learner import PreferenceConfig, PreferenceLearner, PreferencePair

__all__ = ["PreferenceConfig", "PreferenceLearner", "PreferencePair"]
