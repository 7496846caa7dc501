"""Descriptors of signals: what detection and prognosis look at instead of raw readings."""
