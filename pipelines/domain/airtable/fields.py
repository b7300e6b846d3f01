"""The base's tables and fields by the names of the contract.

These names are our own keys: a base may call its fields otherwise, the Airtable room translates.
"""

from __future__ import annotations

from enum import StrEnum

from pipelines.domain.lifecycle import AIRTABLE_STATUS, PERSON_STATUSES, ReviewVerdict, SceneStatus


class AirtableTable(StrEnum):
    """The five tables."""

    VIDEOS = "Videos"
    SCENES = "Scenes"
    VERSIONS = "Versions"
    BRANDS = "Brands"
    SETTINGS = "Settings"


class VideoField(StrEnum):
    """Fields of `Videos`, without what an order holds: that is declared there."""

    SCHEDULED_FOR = "Scheduled For"
    GENERATE = "Generate"
    APPROVE = "Approve"
    CANCEL = "Cancel"
    STATUS = "Status"
    PROGRESS = "Progress"
    STATUS_DETAIL = "Status Detail"
    ERROR = "Error"
    ESTIMATED_COST = "Estimated Cost"
    ACTUAL_COST = "Actual Cost"
    RUN = "Run"
    RUN_ID = "Run ID"
    FINAL_VIDEO = "Final Video"
    POSTER = "Poster"
    VIDEO_URL = "Video URL"
    PACK_URL = "Pack URL"
    POST_TEXT = "Post Text"
    VARIANTS = "Variants"
    PROGRESS_PAGE = "Progress Page"
    DECIDE = "Decide"
    DURATION = "Duration"
    VERDICT = "Verdict"
    REVIEW = "Review"
    REVIEW_NOTES = "Review Notes"
    SHARE_PAGE = "Share Page"
    STARTED_AT = "Started At"
    FINISHED_AT = "Finished At"
    LAST_UPDATE = "Last Update"
    SCENES = "Scenes"
    BRAND = "Brand"


REVIEW_OPTIONS = {
    ReviewVerdict.WAITING: "Waiting",
    ReviewVerdict.ACCEPTED: "Accepted",
    ReviewVerdict.CHANGES_ASKED: "Changes Asked",
}
"""What `Review` says."""


class SceneField(StrEnum):
    """Fields of `Scenes`, without what the order of a scene holds."""

    SCENE_KEY = "Scene Key"
    VIDEO = "Video"
    NUMBER = "Scene #"
    STATUS = "Status"
    PROVIDER_JOB_ID = "Provider Job ID"
    ATTEMPTS = "Attempts"
    COST = "Cost"
    ERROR = "Error"
    CLIP = "Clip"
    CLIP_URL = "Clip URL"
    REGENERATE = "Regenerate"
    LAST_UPDATE = "Last Update"


class VersionField(StrEnum):
    """Fields of `Versions`."""

    VERSION_KEY = "Version Key"
    VIDEO = "Video"
    RUN = "Run"
    FINAL_VIDEO = "Final Video"
    POSTER = "Poster"
    COST = "Cost"
    MODEL = "Model"
    HOOK = "Hook"
    LANGUAGE = "Language"
    WHAT_CHANGED = "What Changed"
    RESTORE = "Restore"
    CREATED_AT = "Created At"


class BrandField(StrEnum):
    """Fields of `Brands`, without what a brand holds."""

    PROBLEMS = "Problems"


class SettingsField(StrEnum):
    """Fields of `Settings`."""

    NAME = "Name"
    STOP_SPENDING = "Stop Spending"
    DAY_BUDGET = "Day Budget"
    SPENT_TODAY = "Spent Today"
    STATUS = "Status"


VIDEO_TICKS = (VideoField.GENERATE, VideoField.APPROVE, VideoField.CANCEL)
ACTION_BOXES = frozenset({*VIDEO_TICKS, SceneField.REGENERATE, VersionField.RESTORE})
"""Boxes that start something, and that we untick when we have acted; the others are choices like any input."""
TICKED_TABLES = frozenset({AirtableTable.VIDEOS, AirtableTable.SCENES})
"""Where ticked boxes are looked for together; `Versions` is read by itself."""
STATUS_OPTIONS = (*PERSON_STATUSES, *AIRTABLE_STATUS.values())
SCENE_STATUS_OPTIONS = tuple(status.value for status in SceneStatus)
