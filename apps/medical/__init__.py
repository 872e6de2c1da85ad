"""Auxiliary diagnosis from clinical notes: research software, not a medical device."""
