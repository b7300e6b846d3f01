"""Whatever is bought, ordered, delivered, cancelled and given back: every credit is somewhere, and only there."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from pipelines.domain.errors import InsufficientCredits, NotAllowed
from pipelines.domain.lifecycle import HOLDING, GenerationStatus, RunStatus
from pipelines.domain.planning.plan import SceneSettings
from pipelines.domain.planning.price_list import PriceList
from pipelines.domain.records import Clip, CustomerAccount, Generation, LotKind, Run, Scene
from pipelines.domain.state.generation import GenerationRequest
from pipelines.ports import Tx
from pipelines.stages.spending import credit_book, credit_lots
from pipelines.testing import make_services

NOW, DAY, WHO = 1_795_521_600.0, 86_400.0, "acc_ada"
PRICES = PriceList(credit_micro=100)
ENDS = (RunStatus.DONE, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.NEEDS_ATTENTION)


class CreditMachine(RuleBasedStateMachine):
    """Orders of two clips each, out of lots that end."""

    runs: Bundle[str] = Bundle("runs")
    lots: Bundle[str] = Bundle("lots")

    @initialize()
    def open_book(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="credits-")
        self.store = make_services(Path(self.folder.name)).store
        self.now, self.count = NOW, 0
        with self.store.write() as tx:
            tx.accounts.add(CustomerAccount(id=WHO, name="ada", pays_in_credits=True))

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()

    def _next(self) -> int:
        self.count += 1
        return self.count

    @rule(target=lots, amount=st.integers(1, 3_000), days=st.sampled_from((None, 1, 3)))
    def grant(self, amount: int, days: int | None) -> str:
        until = None if days is None else self.now + days * DAY
        source = f"INV-{self._next()}"
        with self.store.write() as tx:
            for _ in range(2):
                lot = credit_lots.grant(tx, self.now, WHO, amount, kind=LotKind.PAID, source=source, expires_at=until)
        assert lot.granted_micro == amount
        return lot.id

    @rule(target=runs, charges=st.tuples(st.integers(0, 900), st.integers(1, 900)))
    def order(self, charges: tuple[int, int]) -> str:
        run = Run(id=f"run_{self._next()}", status=RunStatus.GENERATING, source="rest", account_id=WHO)
        with self.store.write() as tx:
            tx.runs.add(run)
            for number, charge in enumerate(charges, 1):
                tx.scenes.add(_scene(run.id, number, charge))
        self._reserve(run.id)
        return run.id

    def _reserve(self, run_id: str) -> None:
        """All that is missing, or nothing at all."""
        try:
            with self.store.write() as tx:
                before = credit_lots.funds(tx, WHO, self.now)
                run, due = _run(tx, run_id), sum(scene.settings.charge_micro for scene in _missing(tx, run_id))
                tx.runs.change(run_id, status=RunStatus.GENERATING)
                total = credit_book.reserve(tx, self.now, run, due, PRICES)
                after = credit_lots.funds(tx, WHO, self.now)
                assert total is not None
                assert total % PRICES.credit_micro == 0
                assert after.reserved_micro + sum(lot.used_micro for lot in tx.lots.find()) >= due
                assert after.available_micro <= before.available_micro or due == 0
        except InsufficientCredits:
            with self.store.write() as tx:
                assert credit_lots.funds(tx, WHO, self.now) == before
                tx.runs.change(run_id, status=RunStatus.FAILED)
                credit_book.settle(tx, self.now, run_id)

    @rule(run_id=runs, sent=st.booleans())
    def deliver(self, run_id: str, *, sent: bool) -> None:
        """A clip is there. `sent`: another is on its way meanwhile."""
        with self.store.write() as tx:
            missing = _missing(tx, run_id)
            if _run(tx, run_id).status not in HOLDING or not missing:
                return
            scene, gen = missing[0], _generation(run_id, missing[0].id, self._next(), GenerationStatus.FETCHED)
            tx.generations.add(gen)
            clip = Clip(
                id=f"clip_{gen.id}",
                run_id=run_id,
                scene_id=scene.id,
                fingerprint="",
                sha256="",
                key="k",
                size=1,
                generation_id=gen.id,
            )
            tx.clips.add(clip)
            credit_book.capture(tx, self.now, _run(tx, run_id), scene.settings.charge_micro, gen)
            tx.scenes.change(scene.id, clip_id=clip.id)
            if sent and len(missing) > 1:
                tx.generations.add(_generation(run_id, missing[1].id, self._next(), GenerationStatus.RUNNING))

    @rule(run_id=runs, to=st.sampled_from(ENDS))
    def end(self, run_id: str, to: RunStatus) -> None:
        with self.store.write() as tx:
            if _run(tx, run_id).status in HOLDING and (to is not RunStatus.DONE or not _missing(tx, run_id)):
                tx.runs.change(run_id, status=to)
                credit_book.settle(tx, self.now, run_id)

    @rule(run_id=runs)
    def lose_what_is_on_its_way(self, run_id: str) -> None:
        with self.store.write() as tx:
            for gen in tx.generations.find(run_id=run_id, status=GenerationStatus.RUNNING):
                tx.generations.change(gen.id, status=GenerationStatus.FAILED)
            credit_book.settle(tx, self.now, run_id)

    @rule(run_id=runs)
    def retry(self, run_id: str) -> None:
        with self.store.read() as tx:
            again = _run(tx, run_id).status not in (*HOLDING, RunStatus.DONE)
        if again:
            self._reserve(run_id)

    @rule(run_id=runs)
    def refund(self, run_id: str) -> None:
        with self.store.write() as tx:
            for clip in tx.clips.find(run_id=run_id):
                try:
                    once, twice = (credit_lots.refund(tx, self.now, clip) for _ in range(2))
                    assert [lot.id for lot in once] == [lot.id for lot in twice]
                except NotAllowed:
                    assert not tx.credits.count(generation_id=clip.generation_id)

    @rule(lot_id=lots, amount=st.integers(1, 3_000))
    def revoke(self, lot_id: str, amount: int) -> None:
        with self.store.write() as tx:
            lot = tx.lots.get(lot_id)
            assert lot
            missing = credit_lots.revoke(tx, self.now, lot, amount)
            assert (credit_lots.revoke(tx, self.now, lot, amount), missing >= 0) == (missing, True)

    @rule(days=st.floats(0.1, 2.0))
    def pass_time(self, days: float) -> None:
        self.now += days * DAY
        with self.store.write() as tx:
            for lot_id in credit_lots.due_to_expire(tx, self.now):
                credit_lots.expire(tx, self.now, lot_id)

    @invariant()
    def every_credit_is_somewhere(self) -> None:
        if not hasattr(self, "store"):
            return
        with self.store.read() as tx:
            assert credit_book.audit(tx, everything=True).problems == ()
            for lot in tx.lots.find():
                parts = (lot.available_micro, lot.reserved_micro, lot.used_micro, lot.expired_micro, lot.revoked_micro)
                assert sum(parts) == lot.granted_micro


def _run(tx: Tx, run_id: str) -> Run:
    run = tx.runs.get(run_id)
    assert run
    return run


def _missing(tx: Tx, run_id: str) -> list[Scene]:
    return [scene for scene in tx.scenes.find(run_id=run_id, order="number") if scene.clip_id is None]


def _scene(run_id: str, number: int, charge: int) -> Scene:
    name = f"{run_id}_{number}"
    return Scene(
        id=name, run_id=run_id, number=number, key=name, prompt="A fox.", settings=SceneSettings(charge_micro=charge)
    )


def _generation(run_id: str, scene_id: str, number: int, status: GenerationStatus) -> Generation:
    return Generation(
        id=f"gen_{number}",
        run_id=run_id,
        scene_id=scene_id,
        status=status,
        provider="acme",
        model="acme/film",
        request=GenerationRequest(),
        idem_key=f"idem_{number}",
        callback_token=f"token_{number}",
    )


TestCreditMachine = CreditMachine.TestCase
TestCreditMachine.settings = settings(
    max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
