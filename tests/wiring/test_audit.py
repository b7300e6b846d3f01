"""What `make audit` says of each answer: a package that could not be looked up is no good news."""

from __future__ import annotations

from datetime import date, timedelta

from tools.audit import EXCEPTIONS, judge

TODAY = date(2026, 11, 29)
WELL = {"name": "rq", "version": "2.12", "vulns": []}
SKIPPED = {"name": "acme", "skip_reason": "could not be audited"}


def row(*names: str) -> dict[str, object]:
    first, *others = names
    return {"name": "pillow", "version": "11.3", "vulns": [{"id": first, "aliases": others, "fix_versions": ["12.2"]}]}


def test_an_advisory_is_told_with_the_version_that_mends_it() -> None:
    wrong, unknown = judge({"dependencies": [WELL, row("PYSEC-1", "CVE-1")]}, TODAY)
    assert (wrong, unknown) == (["pillow 11.3: PYSEC-1, mended in 12.2"], None)


def test_an_excuse_holds_until_its_day() -> None:
    known = next(iter(EXCEPTIONS))
    report = {"dependencies": [WELL, row("GHSA-1", known)]}
    assert judge(report, EXCEPTIONS[known].until - timedelta(days=1)) == ([], None)
    wrong, _ = judge(report, EXCEPTIONS[known].until)
    assert len(wrong) == 1


def test_some_that_could_not_be_looked_up_fail_and_none_at_all_says_why() -> None:
    assert judge({"dependencies": [WELL, SKIPPED]}, TODAY) == (["acme: could not be audited"], None)
    wrong, unknown = judge({"dependencies": [SKIPPED, SKIPPED]}, TODAY)
    assert wrong == []
    assert unknown is not None
