"""The learner portal."""
