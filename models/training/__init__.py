"""Training, for any model: the loop, its checkpoints and its pictures. NumPy only.

`train(steps, schedule, ...)` runs the book's loop over callables; `checkpoint` keeps parameters
and progress; `curves` draws what happened (with matplotlib, from the extra `models`).
"""

from arignote.models.training.checkpoint import Checkpoint, CheckpointError
from arignote.models.training.history import (
    Event,
    EventKind,
    History,
    Record,
    Reporter,
    Schedule,
    Steps,
    Stop,
    TrainState,
)
from arignote.models.training.loop import train

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "Event",
    "EventKind",
    "History",
    "Record",
    "Reporter",
    "Schedule",
    "Steps",
    "Stop",
    "TrainState",
    "train",
]
