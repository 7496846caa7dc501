"""Health assessment: which alarms to believe, and how far each machine is from its declared end of life."""
