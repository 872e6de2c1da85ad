"""What goes wrong while learning, as errors that name the step and, where there is one, the sample."""

from __future__ import annotations

from core.errors import TriviumError


class TrainingFault(TriviumError):
    """Training cannot go on. What was saved before is intact."""


class Diverged(TrainingFault):
    """A loss or gradient is not a finite number."""

    def __init__(self, what: str, step: int, sample: str = "") -> None:
        where = f" (sample: {sample})" if sample else ""
        super().__init__(
            f"Step {step}: the {what} is not a finite number{where}.",
            hint="The last checkpoint is intact. Lower the learning rate, or look at the sample named.",
        )


class RewardFailed(TrainingFault):
    """A reward function raised an error or gave something that is no finite number."""

    def __init__(self, reward: str, problem: str, sample: str) -> None:
        super().__init__(
            f"The reward '{reward}' failed: {problem}. Sample: {sample}",
            hint="Mend the function for this sample; the last checkpoint is intact.",
        )


class CheckpointFailed(TrainingFault):
    """A checkpoint could not be written; the one before it is intact."""


class FaultElsewhere(TrainingFault):
    """Another of the processes that train together cannot go on."""

    def __init__(self, rank: int, message: str, hint: str | None) -> None:
        super().__init__(f"Process {rank} stopped: {message}", hint=hint)
