"""Texts for scenes as they are pasted from elsewhere: Word, Google Docs, ChatGPT, and many languages."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.airtable.rows.fields import row_to_order
from pipelines.domain.orders.list_marks import scene_lines
from tests.stages.stage_fixtures import StageHarness

TEXTS = [
    "24 décembre – la veille de Noël\nUn chien court",
    "1er janvier : les feux d'artifice\nUn chien court",
    "1º de maio – desfile\nUm cão corre",
    "2. Januar: Neuschnee\n3. Januar: Tauwetter",
    "12. července – léto\n13. července – bouřka",
    "1. juledag – snøen faller\n2. juledag – snøen smelter",
    "15. März. Ein Garten erwacht.\n16. März. Regen.",
    "3 – 2 – 1 – liftoff\nThe crowd cheers",
    "3, 2, 1: lift-off\nThe crowd cheers",
    "5.1 surround – a cinema\nA dog",
    "2:1 portrait of a cat\nA dog",
    "9 a.m. The office opens\n10 a.m. The phones ring",
    "9:00 am – the office opens\n10:00 am – the phones ring",
    "00:00 Uhr – Feuerwerk über Berlin\n06:00 Uhr – leere Straßen",
    "8-bit hero jumps\n16-bit hero lands",
    "-40°C – Yakutsk\nA dog",
    "– 40 °C in Yakutsk\nA dog",
    "1. Person view of a skateboard\nA dog",
    "2. Weltkrieg – Ruinen in Dresden\nA dog",
    "1. Klasse Abteil, zwei Reisende\n2. Klasse Abteil, ein Kind",
    "INT. KITCHEN - DAY\nEXT. GARDEN - NIGHT",
    "I. M. Pei's pyramid at dusk\nV. Woolf writes",
    "Scene 24 Studios logo appears",
    "Shot in one take – a bar",
    "Cut to: a harbour\nFADE IN: a dog",
    "#sunset over the bay\n#dog runs",
    "*whispers* come closer\nA dog",
    "*A fox* jumps\nA dog",
    "+49 30 1234 on a phone screen\nA dog",
    "“1. FC Köln” auf einem Schal\nA dog",
    "1/4 inch film – scratches\n1/2 speed – a runner",
    "100. Geburtstag einer Frau\nA dog",
    "10 – 12 people dance\nA dog",
    "4:3 framing, VHS\n16:9 framing, film",
    "7 – the lucky number on a door\nA dog",
    "No. 5 perfume on silk\nNo. 6 perfume on wool",
    "Clip 5 seconds of rain\nA dog",
    "Plan américain – un cow-boy\nPlan serré – sa main",
    "Bild eines Hafens\nPlan einer Stadt",
    "Teil eines Motors dreht sich\nA dog",
    "2024: a new year begins\n2025: the robots",
    "2024. A new year begins\n2025. The robots",
    "3. Liga – ein Stadion im Regen\nA dog",
    "…and then silence\nA dog",
    "12 Uhr: Glocken läuten\n13 Uhr: Mittagessen",
    "1 dog runs\n2 cats sleep",
    "1 dog: it runs\n2 cats: they sleep",
    "20. – ein Datum im Kalender",
    "1960s. A diner.\n1970s. A disco.",
    "§ 1: Gesetz\n§ 2: Gesetz",
    "Take 1 apple and slice it\nTake 2 eggs and whisk",
    "Step 1 metre back\nA dog",
    "S1 train arrives\nS2 train leaves",
    "A. Lincoln speaks\nB. Franklin writes",
    "1- and 2-year-olds play\nA dog",
    "ⅠⅡ numerals glow\nA dog",
    "16. Jahrhundert: ein Markt\n17. Jahrhundert: ein Hafen",
    "5. Avenue im Schnee\n6. Avenue im Regen",
    "42. Straße bei Nacht\n43. Straße bei Tag",
    "1. April – ein Scherz\nA dog",
    "31. 12. – Feuerwerk\n1. 1. – Stille",
    "31. 12. 2026 – Feuerwerk\n1. 1. 2027 – Stille",
    "24.12.: Heiligabend\n25.12.: Weihnachten",
    "24/12 – Christmas Eve\n25/12 – Christmas Day",
    "12月24日：雪\n12月25日：晴れ",
    "10h30 – le marché\n11h – le café",
    "A. First\nB. Second",
    '"First"\n"Second"',
    "●REC – found footage\n●LIVE – a reporter",
    "Scene 1 of many begins\nScene 2 of many ends",
    "–Hola, dice\n–Adiós, dice",
    "1. Kuss im Regen\nEin Hund bellt",
    "1.a A dog\nA cat",
    "S1 – Ostbahnhof\nS2 – Marienplatz",
]
LISTS = [
    "1.\tFirst\n2.\tSecond",
    "•\tFirst\n•\tSecond",
    "o\tFirst\no\tSecond",
    "\uf0b7 First\n\uf0b7 Second",
    "\uf0b7\tFirst\n\uf0b7\tSecond",
    "1.\u00a0First\n2.\u00a0Second",
    "1\\. First\n2\\. Second",
    "1.  First  \n2.  Second  ",
    "**1.** First\n**2.** Second",
    "**1. First**\n**2. Second**",
    "**Scene 1** – First\n**Scene 2** – Second",
    "**Scene 1 – First**\n**Scene 2 – Second**",
    "**Scene 1:** First\n**Scene 2**: Second",
    "* **Scene 1:** First\n* **Scene 2:** Second",
    "### Scene 1: First\n### Scene 2: Second",
    "#### 1. First\n#### 2. Second",
    "[Scene 1] First\n[Scene 2] Second",
    "[Scene 1]: First\n[Scene 2]: Second",
    "(Scene 1) First\n(Scene 2) Second",
    "Scene #1: First\nScene #2: Second",
    "Scene One: First\nScene Two: Second",
    "Scene 1\nFirst\nScene 2\nSecond",
    "Scene 1 | First\nScene 2 | Second",
    "Scene 1 (0:00–0:08): First\nScene 2 (0:08–0:16): Second",
    "Scene 1 (0-5s): First\nScene 2 (5-10s): Second",
    "Scene 1 (8 seconds): First\nScene 2 (8 seconds): Second",
    "Scene 1 — First\nScene 2 — Second",
    "[0:00-0:08] First\n[0:08-0:16] Second",
    "00:00 First\n00:08 Second",
    "(0:00 - 0:08) First\n(0:08 - 0:16) Second",
    "**[00:00]** First\n**[00:08]** Second",
    "0s-5s: First\n5s-10s: Second",
    "- [ ] First\n- [x] Second",
    "☐ First\n☑ Second",
    "▶ First\n▶ Second",
    "→ First\n→ Second",
    "✅ First\n✅ Second",
    "👉 First\n👉 Second",
    "１．First\n２．Second",
    "１）First\n２）Second",
    "（1）First\n（2）Second",
    "第一幕：First\n第二幕：Second",
    "第1场：First\n第2场：Second",
    "镜头1：First\n镜头2：Second",
    "장면 1: First\n장면 2: Second",
    "Scena 1. First\nScena 2. Second",
    "Ujęcie 1: First\nUjęcie 2: Second",
    "Scène n° 1 : First\nScène n° 2 : Second",
    "Scène 1\u00a0: First\nScène 2\u00a0: Second",
    "Сцена №1: First\nСцена №2: Second",
    "Sahne 1: First\nSahne 2: Second",
    "Scen 1: First\nScen 2: Second",
    "المشهد 1: First\nالمشهد 2: Second",
    "दृश्य 1: First\nदृश्य 2: Second",
    "Cảnh 1: First\nCảnh 2: Second",
    "Adegan 1: First\nAdegan 2: Second",
    "1/ First\n2/ Second",
    "[1/2] First\n[2/2] Second",
    "1.) First\n2.) Second",
    "1 - First\n2 - Second",
    "1 · First\n2 · Second",
    "1 | First\n2 | Second",
    "➊ First\n➋ Second",
    "❶ First\n❷ Second",
    "⑴ First\n⑵ Second",
    "⒈First\n⒉Second",
    "➢ First\n➢ Second",
    "➔ First\n➔ Second",
    "❖ First\n❖ Second",
    "› First\n› Second",
    "> First\n> Second",
    "~ First\n~ Second",
    "— First\n— Second",
    "• 1. First\n• 2. Second",
    "(a) First\n(b) Second",
    "i. First\nii. Second",
    "(i) First\n(ii) Second",
    "Shot 1A: First\nShot 1B: Second",
    "SCENE 1. First\nSCENE 2. Second",
    "\u200bScene 1: First\n\u200bScene 2: Second",
    "\ufeff1. First\n2. Second",
    "1. First\n\n2. Second",
    "0. First\n1. Second",
    "___\nFirst\n***\nSecond",
    "-First\n-Second",
    "•First\n•Second",
    "\uf0b7First\n\uf0b7Second",
    "1- First\n2- Second",
    "1; First\n2; Second",
    "1. First\n3. Second",
    "2. First\n1. Second",
    "1. First\n- Second",
    "0:00 – 0:05 | First\n0:05 – 0:10 | Second",
    "Scene 1 First\nScene 2 Second",
    "Scene 1 → First\nScene 2 → Second",
    "Prompt 1: First\nPrompt 2: Second",
    "Sc. 1: First\nSc. 2: Second",
    "Nr. 1: First\nNr. 2: Second",
]
MIXED = [
    ("Here are your scenes:\n\n1. First\n2. Second", ["Here are your scenes:", "First", "Second"]),
    ("1. **First** runs\n2. **Second** sits", ["**First** runs", "**Second** sits"]),
    ("1. **Hero shot:** a fox\n2. **Detail:** a paw", ["**Hero shot:** a fox", "**Detail:** a paw"]),
    ("**1. Hero shot:** a fox\n**2. Detail:** a paw", ["Hero shot: a fox", "Detail: a paw"]),
    ("1. First\n   - with snow\n2. Second\n   - with rain", ["First", "with snow", "Second", "with rain"]),
    ("Scene 1: INT. HOUSE – NIGHT\nScene 2: EXT. BEACH – DAY", ["INT. HOUSE – NIGHT", "EXT. BEACH – DAY"]),
    (
        "1. 24. Dezember – Abend\n2. 25. Dezember – die Gans",
        ["24. Dezember – Abend", "25. Dezember – die Gans"],
    ),
    ("1. 3D fox\n2. 2 dogs", ["3D fox", "2 dogs"]),
    ("- 3D fox\n- 2 dogs", ["3D fox", "2 dogs"]),
    ("- 2 dogs run\n- 3 cats sleep", ["2 dogs run", "3 cats sleep"]),
    ("* 2 dogs run\n* 3 cats sleep", ["2 dogs run", "3 cats sleep"]),
    ("1. A fox runs\n2. A dog sits\n\n3. A cat", ["A fox runs", "A dog sits", "A cat"]),
    ("1. A fox runs\n2. A dog sits\n2. A cat\n3. A cow", ["A fox runs", "A dog sits", "A cat", "A cow"]),
    ("1. Wide shot – a harbour at dawn", ["Wide shot – a harbour at dawn"]),
    ("1. A man\n24. Dezember – Abend\nINT. HOUSE", ["A man", "24. Dezember – Abend", "INT. HOUSE"]),
    ("1. Kuss im Regen", ["1. Kuss im Regen"]),
    (
        "\n".join(f"{digit}\ufe0f\u20e3 Fox {digit}" for digit in range(1, 10)) + "\n🔟 Fox 10",
        [f"Fox {at}" for at in range(1, 11)],
    ),
]
TABLE = "| # | Prompt |\n|---|:--|\n| 1 | A fox |\n| 2 | A dog |"


@pytest.mark.parametrize("text", TEXTS)
def test_text_stays_as_it_was_written(text: str) -> None:
    assert scene_lines(text) == text.split("\n")


@pytest.mark.parametrize("text", LISTS)
def test_pasted_marks_are_no_part_of_a_scene(text: str) -> None:
    assert scene_lines(text) == ["First", "Second"]


@pytest.mark.parametrize(("text", "scenes"), MIXED)
def test_what_stands_behind_or_beside_a_mark_is_kept(text: str, scenes: list[str]) -> None:
    assert scene_lines(text) == scenes


def test_a_table_is_refused_before_its_ruled_lines_are_bought(tmp_path: Path) -> None:
    order, problems = row_to_order({"Prompt": TABLE})
    assert order.scenes == ()
    assert [str(problem.message) for problem in problems] == ["holds a table. Write one scene a line, without columns."]
    harness = StageHarness.build(tmp_path)
    record, run = harness.film(Prompt=TABLE)
    assert (run.status, harness.bought) == ("failed", [])
    assert "holds a table" in harness.cells(record)["Error"]
    assert "is empty" not in harness.cells(record)["Error"]


def test_a_ruled_line_is_no_table() -> None:
    assert row_to_order({"Prompt": "A fox | a dog\n---\nA cat"})[1] == ()
    assert scene_lines("|" + "-" * 5_000 + "x") == ["|" + "-" * 5_000 + "x"]


def test_a_row_buys_a_chat_answer_without_its_marks(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    harness.film(Prompt="**Scene 1 (0:00–0:08):** A fox wakes\n**Scene 2 (0:08–0:16):** It runs\n**3.** It sleeps")
    assert harness.bought == ["A fox wakes", "It runs", "It sleeps"]
