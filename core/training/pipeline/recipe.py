"""What a recipe may say. The algorithms' own configurations are its fields, so a setting is described once, there.

A stage has parts: `algorithm`, `practice`, `optimiser`, `loop` and so on. A setting of a part may stand in the stage
itself (`prompts = 8` for `practice = { prompts = 8 }`); it goes to the first part that has it. A setting of the KL
control is then written `kl_target`, `kl_coefficient`, `kl_horizon`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from core.models.adapter_config import Targets
from core.training.algorithms import GRPO, PPO, Reinforce
from core.training.config import Config
from core.training.data.chat_tokens import LearntAnswers
from core.training.evolution import EvolutionConfig
from core.training.ift import AlternationConfig
from core.training.loop import Cadence
from core.training.optimiser import OptimiserConfig
from core.training.pipeline.placing import placed
from core.training.practice import PracticeConfig
from core.training.preference import PreferenceConfig
from core.training.reward.model import RewardModelConfig
from core.training.supervised.distillation import DistillationConfig

REWARD_MODEL = "reward_model"
"""The name of the last reward stage's result in a later stage's `metric`."""


class AdapterChoice(Config):
    """The LoRA that learns."""

    rank: int = Field(16, ge=1, le=1024)
    targets: Targets = "attention"


class DataChoice(Config):
    """Where the examples come from: one of `suite` (what a product declares), `prepared` (a folder of `trivium train
    prepare`), `file` (JSONL). `train`, `validation`, `test`: at most so many of each, spread evenly."""

    suite: str | None = None
    prepared: Path | None = None
    file: Path | None = None
    train: int | None = Field(None, ge=1)
    validation: int | None = Field(None, ge=1)
    test: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(source is not None for source in (self.suite, self.prepared, self.file)) != 1:
            raise ValueError("name one of suite, prepared, file")
        return self


class MeasureChoice(Config):
    """What is measured; `samples` of test stand in the report."""

    metrics: tuple[str, ...] = ()
    samples: int = Field(5, ge=0)


class EvaluateChoice(MeasureChoice):
    """How it is measured: responses are greedy, of at most `max_tokens`."""

    max_tokens: int = Field(64, ge=1)


class PromoteChoice(Config):
    """Which measure decides, on validation, and the adapter's name; default: the recipe's."""

    metric: str
    name: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")


class Pace(Cadence):
    """How often what; a recipe evaluates unless it says not to (0)."""

    checkpoint_every: int = Field(10, ge=1)
    evaluate_every: int = Field(20, ge=0)
    samples_every: int = Field(10, ge=0)


class Judged(Config):
    """How responses are drawn of which a metric says which is better: so many to each prompt, for at most so many."""

    samples: int = Field(4, ge=2)
    prompts: int = Field(200, ge=1)
    max_tokens: int = Field(64, ge=1)
    temperature: float = Field(1.0, gt=0, le=10)


class AnyStage(Config):
    """What all stages share."""

    loop: Pace = Field(default_factory=Pace)

    @model_validator(mode="before")
    @classmethod
    def _place(cls, given: Any) -> Any:
        return placed(cls, given) if isinstance(given, dict) else given

    @property
    def trains_policy(self) -> bool:
        """Whether its result is a policy."""
        return True

    @property
    def expression(self) -> str:
        """What it learns for; "" where that is in the data."""
        return str(getattr(self, "metric", ""))


class SupervisedStage(AnyStage):
    """Learn the first reference of each prompt. `row_tokens` is the width of a packed row, `rows` are in a batch.

    With a `teacher`, a larger model of the same vocabulary, its distribution of each token is learned too; if
    `teacher_writes`, its own answers in place of the references, and any model will do.
    """

    kind: Literal["sft"]
    epochs: float = Field(1.0, gt=0)
    steps: int | None = Field(None, ge=1)
    rows: int = Field(4, ge=1)
    row_tokens: int = Field(512, ge=2)
    piece_rows: int = Field(2, ge=1)
    learn: LearntAnswers = "last"
    teacher: str = ""
    teacher_writes: bool = False
    distillation: DistillationConfig = Field(default_factory=DistillationConfig)
    optimiser: OptimiserConfig = Field(default_factory=OptimiserConfig)

    @model_validator(mode="after")
    def _teacher(self) -> Self:
        if self.teacher_writes and not self.teacher:
            raise ValueError("teacher_writes needs a teacher")
        return self


class RewardStage(AnyStage):
    """Learn a reward model from the data's rejected responses, or from drawn ones that `metric` tells apart."""

    kind: Literal["reward"]
    steps: int = Field(ge=1)
    metric: str = ""
    judged: Judged = Field(default_factory=Judged)
    model: RewardModelConfig = Field(default_factory=RewardModelConfig)
    adapter: AdapterChoice | Literal[False] = AdapterChoice(rank=8)
    optimiser: OptimiserConfig = Field(default_factory=OptimiserConfig)

    @property
    def trains_policy(self) -> bool:
        return False


class EndpointChoice(Config):
    """A vLLM server that draws responses, the base model `model` at `url`. It is sent the adapter each `sync_every`
    steps, through a folder it can read; 0 never does, and it then draws from what it serves."""

    url: str
    model: str
    sync_every: int = Field(1, ge=0)


class _PolicyStage(AnyStage):
    """`metric`: an expression, of which "reward_model" may be a part, or "module:function" where the recipe says
    `run_code`. `cut`: what a response gets in addition that came to no end within its tokens. `endpoint`: what
    draws the responses, if not the model itself."""

    steps: int = Field(ge=1)
    metric: str = Field(min_length=1)
    cut: float = 0.0
    practice: PracticeConfig = Field(default_factory=PracticeConfig)
    optimiser: OptimiserConfig = Field(default_factory=OptimiserConfig)
    endpoint: EndpointChoice | None = None


class PPOStage(_PolicyStage):
    """Proximal policy optimisation."""

    kind: Literal["ppo"]
    algorithm: PPO = Field(default_factory=PPO)


class GRPOStage(_PolicyStage):
    """Group-relative policy optimisation."""

    kind: Literal["grpo"]
    algorithm: GRPO = Field(default_factory=GRPO)


class ReinforceStage(_PolicyStage):
    """REINFORCE; with the baseline "leave_one_out", its default, it is RLOO."""

    kind: Literal["reinforce", "rloo"]
    algorithm: Reinforce = Field(default_factory=Reinforce)

    @model_validator(mode="after")
    def _baseline(self) -> Self:
        if self.kind == "rloo" and self.algorithm.baseline != "leave_one_out":
            raise ValueError("rloo has the baseline leave_one_out; use kind = 'reinforce' for another")
        return self


class PreferenceStage(AnyStage):
    """Learn from the data's rejected responses, or from drawn ones that `metric` tells apart."""

    kind: Literal["dpo", "ipo", "kto"]
    steps: int = Field(ge=1)
    metric: str = ""
    judged: Judged = Field(default_factory=Judged)
    preference: PreferenceConfig = Field(default_factory=PreferenceConfig)
    optimiser: OptimiserConfig = Field(default_factory=OptimiserConfig)

    @model_validator(mode="before")
    @classmethod
    def _objective(cls, given: Any) -> Any:
        if isinstance(given, dict) and isinstance(given.get("preference", {}), dict):
            return {**given, "preference": {**given.get("preference", {}), "objective": given.get("kind")}}
        return given


class AlternationStage(_PolicyStage):
    """The reward is learned in alternation with the policy: from the references, or with `metric` as judge. It is a
    likelihood or a head, see `core.training.reward.likelihood`."""

    kind: Literal["ift"]
    metric: str = ""
    learned_reward: Literal["likelihood", "head"] = "likelihood"
    algorithm: Reinforce = Field(default_factory=Reinforce)
    alternation: AlternationConfig = Field(default_factory=AlternationConfig)
    discriminator: OptimiserConfig = Field(default_factory=OptimiserConfig)


class EvolutionStage(AnyStage):
    """Evolution strategies on the weights that learn."""

    kind: Literal["evolution"]
    steps: int = Field(ge=1)
    metric: str = Field(min_length=1)
    cut: float = 0.0
    evolution: EvolutionConfig = Field(default_factory=EvolutionConfig)


Stage = Annotated[
    SupervisedStage
    | RewardStage
    | PPOStage
    | GRPOStage
    | ReinforceStage
    | PreferenceStage
    | AlternationStage
    | EvolutionStage,
    Field(discriminator="kind"),
]
POLICY_STAGES = (PPOStage, GRPOStage, ReinforceStage)


class AnyRecipe(Config):
    """What recipes of every kind say.

    Attributes:
        name: of its output and, by default, of what it makes; "" until `reading` takes the file's.
    """

    name: str = Field("", pattern=r"^([A-Za-z0-9][A-Za-z0-9_-]{0,63})?$")
    model: str
    seed: int = Field(0, ge=0)
    data: DataChoice
    evaluate: MeasureChoice = Field(default_factory=MeasureChoice)
    promote: PromoteChoice | None = None

    @model_validator(mode="after")
    def _chosen_by_something(self) -> Self:
        if self.promote is None and not self.evaluate.metrics:
            raise ValueError("name a metric to choose by: [promote] metric, or [evaluate] metrics")
        return self

    @property
    def choice(self) -> str:
        """The metric that checkpoints are chosen by, and what is made promoted."""
        return self.promote.metric if self.promote else self.evaluate.metrics[0]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Everything that is measured: `choice` first."""
        return tuple(dict.fromkeys([self.choice, *self.evaluate.metrics]))


class Recipe(AnyRecipe):
    """A recipe.

    Attributes:
        adapter: what learns; False trains all weights, for tiny models, and the result is a model's folder.
        run_code: allows rewards "module:function"; that code runs with the rights of whoever runs the recipe.
    """

    adapter: AdapterChoice | Literal[False] = Field(default_factory=AdapterChoice)
    run_code: bool = False
    stage: tuple[Stage, ...] = Field(min_length=1)
    evaluate: EvaluateChoice = Field(default_factory=EvaluateChoice)

    @model_validator(mode="after")
    def _order(self) -> Self:
        if not any(stage.trains_policy for stage in self.stage):
            raise ValueError("no stage trains the policy; add one after 'reward', such as 'ppo'")
        rewarded = False
        for number, stage in enumerate(self.stage, start=1):
            if REWARD_MODEL in stage.expression and not rewarded:
                raise ValueError(
                    f"stage {number} ({stage.kind}) uses reward_model, but no stage 'reward' stands before it"
                )
            rewarded = rewarded or not stage.trains_policy
        if not self.stage[-1].trains_policy:
            raise ValueError("the last stage is 'reward'; nothing uses what it learns")
        if self.adapter is False and self.promote is not None and self.promote.name is not None:
            raise ValueError("adapter = false makes a model's folder; only adapters are promoted by name")
        return self
