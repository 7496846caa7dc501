"""Schema `store` on a server, version by version, in SQL written by hand: autogenerate drops what Timescale adds."""
