"""How the files of each source are read: one module a format, `parsed` for what they return, `sorting` to judge it."""
