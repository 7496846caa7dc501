"""Serving: where people ask in SQL. The same names and answers in each database; nothing here computes a result."""
