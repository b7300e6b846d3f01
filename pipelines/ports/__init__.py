"""What the core needs of the outside, as Protocols. Adapters implement them; stages know nothing else."""

from pipelines.domain.planning.script import SceneText, Script
from pipelines.domain.state.generation import GenerationRequest
from pipelines.ports.airtable import (
    Airtable,
    AirtableChange,
    AirtableRow,
    AirtableScene,
    AirtableSettings,
    AirtableVersion,
    BaseTools,
    ByHand,
    ChangeFeed,
    Changes,
    Check,
    ConnectedBases,
    Health,
    SetupReport,
    Written,
)
from pipelines.ports.database import Commits, DayCap, Discrepancy, Rows, Store, Tx
from pipelines.ports.files import Intake, Links, MediaStore, Stored
from pipelines.ports.film_editor import Around, FilmEditor
from pipelines.ports.notices import Message, NoticeSender, SendOutcome
from pipelines.ports.payments import Authorization, Chain, Facilitator, Outcome, Settlement
from pipelines.ports.runtime import Clock, CrashPoints, Hints, Issuer
from pipelines.ports.scene_writer import Brief, Moderator, SceneWriter
from pipelines.ports.speech import Speaker, Speech
from pipelines.ports.video import (
    Accept,
    Call,
    Callback,
    Job,
    MediaInput,
    Providers,
    Submission,
    VideoProvider,
    anything,
)

__all__ = [
    "Accept",
    "Airtable",
    "AirtableChange",
    "AirtableRow",
    "AirtableScene",
    "AirtableSettings",
    "AirtableVersion",
    "Around",
    "Authorization",
    "BaseTools",
    "Brief",
    "ByHand",
    "Call",
    "Callback",
    "Chain",
    "ChangeFeed",
    "Changes",
    "Check",
    "Clock",
    "Commits",
    "ConnectedBases",
    "CrashPoints",
    "DayCap",
    "Discrepancy",
    "Facilitator",
    "FilmEditor",
    "GenerationRequest",
    "Health",
    "Hints",
    "Intake",
    "Issuer",
    "Job",
    "Links",
    "MediaInput",
    "MediaStore",
    "Message",
    "Moderator",
    "NoticeSender",
    "Outcome",
    "Providers",
    "Rows",
    "SceneText",
    "SceneWriter",
    "Script",
    "SendOutcome",
    "Settlement",
    "SetupReport",
    "Speaker",
    "Speech",
    "Store",
    "Stored",
    "Submission",
    "Tx",
    "VideoProvider",
    "Written",
    "anything",
]
