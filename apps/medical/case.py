"""What is known of a patient, in terms of the ontology: the meeting point of reading notes and ranking diseases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Sex = Literal["female", "male"]


@dataclass(frozen=True, slots=True)
class Case:
    """Signs the patient has and has not, as positions in the ontology; None is unknown."""

    present: tuple[int, ...] = ()
    absent: tuple[int, ...] = ()
    sex: Sex | None = None
    age_years: float | None = None
