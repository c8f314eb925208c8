"""Checks for the exercises: each is given the learner's own object and says what it does.

Only notebooks import this. There is one module for each chapter, on top of `cases`.
"""

from miniserve.checks.cases import Case, Report, Verdict, check_cases

__all__ = ["Case", "Report", "Verdict", "check_cases"]
