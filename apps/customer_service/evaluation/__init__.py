"""Suites, own test conversations and the calibration of the decision."""
