"""Advisory: what to do about each machine, and who does it when."""
