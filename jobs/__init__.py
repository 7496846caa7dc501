"""What starts things: definitions, jobs, schedules and the command line. Wires; computes nothing."""
