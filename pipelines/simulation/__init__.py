"""A plant with known faults: for the demo, load and property tests. Its truth is never read by what scores."""
