"""What every table holds. One schema a table, `enforce` to keep them, `vocabulary` for the words."""
