"""What may be sent to decide something about a run, or about all spending."""

from __future__ import annotations

from typing import Annotated, Literal, cast

from pydantic import Field

from pipelines.domain.footage import Transition
from pipelines.domain.money import to_micro
from pipelines.domain.orders.order import MAX_LINE, SceneChanges
from webapp.api.fields import (
    MAX_REFERENCES,
    AspectRatio,
    Body,
    Ceiling,
    DryRun,
    Model,
    NegativePrompt,
    Prompt,
    Resolution,
    Seconds,
    Seed,
    TransitionWord,
    Url,
)


class RunAction(Body):
    """Cancel or retry: there is nothing to say but whether it is only a rehearsal."""

    dry_run: DryRun = False


class SceneEdit(Body):
    """A scene of a run that waits for approval, changed; what is left out stays as it is."""

    number: Annotated[int, Field(ge=1, le=1000)]
    prompt: Prompt | None = None
    seconds: Annotated[Seconds | None, Field(description="Only of a run without a row.")] = None
    model: Annotated[Model | None, Field(description="Only of a run without a row.")] = None


class Approve(RunAction):
    """The scenes as they are, or as they are changed here."""

    scenes: Annotated[
        list[SceneEdit],
        Field(max_length=50, default_factory=list, description="Those that are changed, by their number."),
    ]
    max_cost_usd: Annotated[Ceiling | None, Field(description="Refuse when the clips would cost more than this.")] = (
        None
    )

    def edits(self) -> dict[int, SceneChanges]:
        """What is changed, by the scene's number."""
        given = {edit.number: edit.model_dump(exclude={"number"}, exclude_none=True) for edit in self.scenes}
        return {number: cast("SceneChanges", changes) for number, changes in given.items() if changes}

    @property
    def at_most_micro(self) -> int | None:
        """The ceiling, in micro-dollars."""
        return None if self.max_cost_usd is None else to_micro(self.max_cost_usd)


class Regenerate(Body):
    """What changes for the new clip of a scene; what is left out stays as it was."""

    prompt: Prompt | None = None
    model: Model | None = None
    seconds: Seconds | None = None
    narration: Annotated[str, Field(max_length=MAX_LINE)] | None = None
    caption: Annotated[str, Field(max_length=500)] | None = None
    seed: Annotated[
        Seed | None,
        Field(description="null takes it away. Left out: as it was, or one more where nothing else is changed."),
    ] = None
    negative_prompt: Annotated[NegativePrompt | None, Field(description="null takes it away.")] = None
    resolution: Annotated[Resolution | None, Field(description="Of this clip; the film keeps its own.")] = None
    aspect_ratio: Annotated[
        AspectRatio | None, Field(description="Of this clip, which is fitted to the film's shape as `fit` says.")
    ] = None
    references: Annotated[
        list[Url] | None,
        Field(
            max_length=MAX_REFERENCES,
            description="Addresses of all pictures of its own that it starts from or refers to; an empty list takes "
            "them away.",
        ),
    ] = None
    continues: Annotated[
        bool | None, Field(description="Whether it starts from the last picture of the scene before.")
    ] = None
    transition: Annotated[
        TransitionWord | None,
        Field(description="From the scene before into this one; null takes it away, so that the film's counts."),
    ] = None
    max_cost_usd: Annotated[
        Ceiling | None, Field(description="Refuse when the new clip would cost more than this.")
    ] = None
    dry_run: DryRun = False

    def changes(self) -> SceneChanges:
        """Only what was sent, in the order's words."""
        given = self.model_dump(exclude={"dry_run", "max_cost_usd"}, exclude_unset=True)
        if self.references is not None:
            given["references"] = tuple(self.references)
        if self.transition is not None:
            given["transition"] = Transition(self.transition)
        return cast("SceneChanges", given)

    @property
    def at_most_micro(self) -> int | None:
        """The ceiling, in micro-dollars."""
        return None if self.max_cost_usd is None else to_micro(self.max_cost_usd)


class Restore(Body):
    """Which film of the run is to be its film again."""

    take: Annotated[
        int | None,
        Field(
            ge=0,
            le=1_000_000,
            description="The `take` of one of its `cuts`. Left out: the present one, for a row that shows another run.",
        ),
    ] = None
    dry_run: DryRun = False


class ChooseClip(Body):
    """Which of its clips a scene is to show again."""

    clip_id: Annotated[str, Field(min_length=1, max_length=100, description="One of the scene's `clips`.")]
    dry_run: DryRun = False


class Decision(Body):
    """What a person decides about a generation of which nobody knows whether it was bought."""

    choice: Annotated[
        Literal["wait", "write_off", "cancel"],
        Field(description="wait: look again. write_off: count it as spent and buy it again. cancel: stop the run."),
    ]
    dry_run: DryRun = False


class StopSwitch(Body):
    """The Stop switch: while it is on, nothing new is bought anywhere."""

    on: bool
    reason: Annotated[str, Field(max_length=500)] = ""
