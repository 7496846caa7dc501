"""What happens: noticed here, acted on in a run. A sensor wakes the graph and carries no truth."""
