"""What the core needs of the outside, as Protocols. Adapters implement them; stages know nothing else."""

from pipelines.ports.board import (
    BaseTools,
    Board,
    BoardChange,
    BoardRow,
    BoardScene,
    BoardSettings,
    BoardVersion,
    Written,
)
from pipelines.ports.files import Intake, Links, MediaStore, Stored
from pipelines.ports.pictures import Around, Studio
from pipelines.ports.sql import Rows, Store, Tx
from pipelines.ports.video import GenerationRequest, Job, MediaInput, Providers, Submission, VideoProvider
from pipelines.ports.words import Brief, Moderator, SceneText, SceneWriter, Script
from pipelines.ports.work import Clock, Hints, Points

__all__ = [
    "Around",
    "BaseTools",
    "Board",
    "BoardChange",
    "BoardRow",
    "BoardScene",
    "BoardSettings",
    "BoardVersion",
    "Brief",
    "Clock",
    "GenerationRequest",
    "Hints",
    "Intake",
    "Job",
    "Links",
    "MediaInput",
    "MediaStore",
    "Moderator",
    "Points",
    "Providers",
    "Rows",
    "SceneText",
    "SceneWriter",
    "Script",
    "Store",
    "Stored",
    "Studio",
    "Submission",
    "Tx",
    "VideoProvider",
    "Written",
]
