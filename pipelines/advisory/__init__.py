"""What to do about it: decisions, a plan of who does what when, and its words."""
