"""Schema `store` on a server, version by version, in SQL written by hand: autogenerate would drop Timescale's indexes."""
