"""How strongly the policy is held to its reference: a fixed coefficient, or one that steers the KL to a target."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import InputError


@dataclass(frozen=True, slots=True)
class KLControl:
    """The KL coefficient and how it changes. Frozen: `after` gives the next one, so a checkpoint is its two numbers.

    With a target the coefficient follows the log-space proportional controller of Ziegler et al. (2019, section 2.2):
    multiplied by ``1 + clip(KL / target - 1, ±0.2) * samples / horizon``.

    Attributes:
        coefficient: of the penalty, in reward units a nat.
        target: mean KL of a whole response to its reference, in nats; None leaves the coefficient as it is.
        horizon: samples in which the controller reacts.
    """

    coefficient: float = 0.05
    target: float | None = None
    horizon: float = 10_000.0

    def __post_init__(self) -> None:
        for name, value in (("coefficient", self.coefficient), ("target", self.target), ("horizon", self.horizon)):
            if value is not None and (value < 0 or (name != "coefficient" and value == 0)):
                raise InputError(f"KL control: {name} = {value} cannot be used.", hint="Use a number above 0.")
        if self.target is not None and self.coefficient == 0:
            raise InputError(
                f"KL control: a coefficient of 0 stays 0, so the target of {self.target} nats is never steered to.",
                hint="Begin with a coefficient above 0, such as 0.05.",
            )

    def after(self, kl: float, samples: int) -> KLControl:
        """The control for the next step, when `samples` responses had a mean KL of `kl` nats.

        The multiplier stays between 0 and 2 however many samples there were, so the coefficient never turns negative.
        """
        if self.target is None:
            return self
        error = min(max(kl / self.target - 1.0, -0.2), 0.2)
        factor = 1.0 + error * min(samples / self.horizon, 1.0)
        return KLControl(self.coefficient * factor, self.target, self.horizon)
