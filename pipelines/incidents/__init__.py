"""Incidents: what each episode looked like and what became of it, so that the next one can be compared."""
