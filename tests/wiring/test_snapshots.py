"""What others see changes only where somebody meant it to: the API, settings, the base, commands, sentences."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tools.snapshots import FOLDER, SNAPSHOTS
from tools.snapshots.sentences import of_python, of_template, sentences
from tools.stack import ROOT


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_what_others_see_is_what_was_agreed(name: str) -> None:
    assert SNAPSHOTS[name]() == (FOLDER / name).read_text("utf-8"), "if this change is meant: make snapshots"


@pytest.mark.slow
def test_a_moved_module_leaves_every_sentence_as_it_is(tmp_path: Path) -> None:
    for room in ("pipelines", "webapp", "worker"):
        shutil.copytree(ROOT / room, tmp_path / room)
    (tmp_path / "pipelines" / "domain").rename(tmp_path / "pipelines" / "heart")
    (tmp_path / "webapp" / "errors.py").rename(tmp_path / "worker" / "problems.py")
    assert sentences(tmp_path) == sentences(ROOT)


def test_the_folder_that_holds_the_repository_may_have_any_name(tmp_path: Path) -> None:
    page = tmp_path / "sandbox" / "webapp" / "page.html"
    page.parent.mkdir(parents=True)
    page.write_text("<p>Your film is ready.</p>")
    assert sentences(tmp_path / "sandbox") == ["Your film is ready."]


def test_a_renamed_identifier_leaves_a_sentence_as_it_is() -> None:
    before = 'raise Refused(f"{model} takes {seconds:g} s.", marketer="Choose {name} again.".format(name=name))'
    after = 'raise Declined(f"{card.model} takes {span:g} s.", marketer="Choose {label} again.".format(label=label))'
    assert list(of_python(before)) == list(of_python(after))
    assert sorted(of_python(before)) == ["Choose {} again.", "{} takes {:g} s."]


def test_what_only_engineers_read_is_no_sentence() -> None:
    source = '"""A module."""\n__all__ = ["Thing"]\nlog.info("written %s", name)\n'
    assert list(of_python(source)) == []


def test_a_page_says_its_text_its_labels_and_the_words_of_its_expressions() -> None:
    page = '{% if may %}<p aria-label="Progress">{{ run.title or "Your film" }} is ready.</p>{% endif %}'
    assert set(of_template(page)) == {"Your film", "Progress", "{} is ready."}
