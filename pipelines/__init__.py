"""The pure core: what is computed, and why. Knows nothing of Dagster, storage, clocks or networks."""
