"""Personal data found and masked before anything is stored; instructions hidden in text found before they matter."""

from core.privacy.injection import Injection, find_injections, without_injections
from core.privacy.personal_data import Masked, PersonalData, find_personal_data, mask, without_masks

__all__ = [
    "Injection",
    "Masked",
    "PersonalData",
    "find_injections",
    "find_personal_data",
    "mask",
    "without_injections",
    "without_masks",
]
