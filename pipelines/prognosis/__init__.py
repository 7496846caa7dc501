"""Prognosis: when a declared threshold is reached, or why nobody can say."""
