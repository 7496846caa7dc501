"""State detection: how far a machine is from its healthy self, and when that is an alarm."""
