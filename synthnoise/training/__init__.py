"""Denoisers learn from pairs that are drawn as they go and never stored."""

from synthnoise.training.chain import train_recipe
from synthnoise.training.interruption import TrainingInterrupted
from synthnoise.training.plan import TrainingPlan
from synthnoise.training.run import TrainingSummary
from synthnoise.training.trainer import train

__all__ = ["TrainingInterrupted", "TrainingPlan", "TrainingSummary", "train", "train_recipe"]
