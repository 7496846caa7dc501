"""What exists: one module for each block of ISO 13374, whose asset bodies read, call and return."""
