"""From a clinical note to findings: sections, mentions of signs, what is said of them, the patient's age and sex."""
