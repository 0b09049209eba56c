"""Lessons: what they ask is recorded truth, and a learner can answer."""
