"""Election over Leases of a real API server; times are a fifth of the real ones."""

from __future__ import annotations

import asyncio
import time

import pytest

from hub.api.meta import LEASES
from hub.kube.client import Client
from hub.runtime.leader import Leadership
from hub.runtime.lease import Leases, Timing

pytestmark = pytest.mark.cluster
TIMING = Timing(2.0)


class Replica:
    """One hub as far as election goes; ``journal`` of all replicas tells who gained and lost what, when."""

    def __init__(self, config, namespace, name, journal, count=1):
        self.name, self._journal = name, journal
        self.client = Client(config, timeout=TIMING.renew_deadline / 2)
        self.leases = Leases(self.client, namespace, "hub-leader", name, count=count, timing=TIMING)
        self.leases.address = f"{name}:9790"
        self.leadership = Leadership(self.leases)
        self.shards = set()
        self._job = None

    def start(self):
        self._job = asyncio.create_task(self.leadership.run(self._gained, self._lost))

    async def die(self):
        """End without a word, as ``kill -9`` does."""
        if self._job is not None:
            self._job.cancel()
            await asyncio.gather(self._job, return_exceptions=True)
            self._job = None
        self.shards = set()

    async def stop(self):
        await self.die()
        await self.leadership.resign()

    def _gained(self, shard):
        holders = [name for name, shards in self._journal.running.items() if shard in shards]
        self._journal.told.append((time.monotonic(), self.name, "gained", shard, holders))
        self._journal.running.setdefault(self.name, set()).add(shard)
        self.shards.add(shard)

    async def _lost(self, shard, _grace):
        self.shards.discard(shard)
        self._journal.running[self.name].discard(shard)
        self._journal.told.append((time.monotonic(), self.name, "lost", shard, []))


class Journal:
    def __init__(self):
        self.told = []
        self.running = {}

    def two_at_once(self):
        return [entry for entry in self.told if entry[4]]

    def forget(self, name):
        self.running.pop(name, None)


@pytest.fixture
def journal():
    journal = Journal()
    yield journal
    assert journal.two_at_once() == []


@pytest.fixture
async def make(config, namespace, journal):
    made = []

    def make(name, count=1, at=config):
        made.append(Replica(at, namespace, name, journal, count))
        return made[-1]

    yield make
    for one in made:
        await one.die()
        await one.client.aclose()


async def test_one_leads_and_the_other_takes_over_when_it_dies(make, journal, eventually, client, namespace):
    first, second = make("first"), make("second")
    first.start()
    await eventually(lambda: first.shards)
    second.start()
    lease = await client.get(LEASES, "hub-leader", namespace)
    assert lease["spec"]["holderIdentity"] == "first"
    assert first.leadership.owns("any/member")
    assert first.leadership.others() == []
    await eventually(second.leadership.others)
    assert second.leadership.others() == ["first:9790"]
    assert not second.leadership.owns("any/member")
    await first.die()
    journal.forget("first")
    await eventually(lambda: second.shards)
    lease = await client.get(LEASES, "hub-leader", namespace)
    assert (lease["spec"]["holderIdentity"], lease["spec"]["leaseTransitions"]) == ("second", 2)


async def test_one_that_ends_in_peace_lets_others_go_on_at_once(make, journal, eventually):
    first, second = make("first"), make("second")
    first.start()
    await eventually(lambda: first.shards)
    second.start()
    await eventually(second.leadership.others)
    await first.stop()
    journal.forget("first")
    began = time.monotonic()
    await eventually(lambda: second.shards)
    assert time.monotonic() - began < TIMING.duration


async def test_one_that_is_cut_off_stops_before_the_next_begins(make, journal, eventually, linked, link):
    first, second = make("first", at=linked), make("second")
    first.start()
    await eventually(lambda: first.shards)
    second.start()
    await eventually(second.leadership.others)
    link.cut()
    await eventually(lambda: second.shards)
    assert not first.leadership.owns("any/member")
    assert not first.leadership.holds("any/member")
    moments = {(name, what): at for at, name, what, _, _ in journal.told}
    assert moments["first", "lost"] < moments["second", "gained"]
    link.mend()
    await second.stop()
    journal.forget("second")
    await eventually(lambda: first.shards)


async def test_a_hub_that_slept_knows_that_it_does_not_lead_before_it_does_anything(make, eventually):
    replica = make("first")
    replica.start()
    await eventually(lambda: replica.shards)
    now = replica.leases.clock()
    replica.leases.clock = lambda: now + TIMING.renew_deadline
    assert not replica.leadership.owns("any/member")
    assert not replica.leadership.leading


async def test_a_lease_that_somebody_deleted_is_lost_and_taken_again(make, eventually, client, namespace, journal):
    replica = make("first")
    replica.start()
    await eventually(lambda: replica.shards)
    await client.delete(LEASES, "hub-leader", namespace)
    await eventually(lambda: [what for _, _, what, _, _ in journal.told] == ["gained", "lost", "gained"])


async def test_replicas_share_shards_evenly_and_take_over_those_of_the_dead(make, journal, eventually):
    replicas = [make(f"replica{number}", count=4) for number in range(3)]
    first, second, third = replicas
    first.start()
    await eventually(lambda: len(first.shards) == 4, tell=lambda: journal.told)
    second.start()
    await eventually(lambda: len(first.shards) == len(second.shards) == 2, tell=lambda: journal.told)
    third.start()
    await eventually(lambda: sorted(len(one.shards) for one in replicas) == [1, 1, 2], tell=lambda: journal.told)
    owners = [[one.name for one in replicas if one.leadership.owns(f"ns/m{number}")] for number in range(50)]
    assert all(len(one) == 1 for one in owners)
    await second.die()
    journal.forget("replica1")
    await eventually(lambda: len(first.shards) == len(third.shards) == 2, tell=lambda: journal.told)


async def test_another_number_of_shards_waits_for_the_old_one_to_end(make, journal, eventually):
    old, new = make("old"), make("new", count=2)
    old.start()
    await eventually(lambda: old.shards)
    new.start()
    await eventually(new.leadership.others)
    await asyncio.sleep(2 * TIMING.retry)
    assert not new.shards
    await old.stop()
    journal.forget("old")
    await eventually(lambda: len(new.shards) == 2)
    assert not old.leadership.leading


async def test_two_numbers_of_shards_that_start_together_never_work_together(make, eventually):
    one, other = make("one"), make("other", count=2)
    one.start()
    other.start()
    await eventually(lambda: one.shards or other.shards, seconds=30.0)
    assert not (one.shards and other.shards)


async def test_a_namespace_that_does_not_exist_is_named(make, eventually, caplog):
    replica = make("first")
    replica.leases._namespace = "not-there"
    replica.start()
    await eventually(lambda: 'namespaces "not-there" not found' in str([vars(one) for one in caplog.records]))
    assert not replica.leadership.leading


async def test_a_hub_that_is_alone_owns_everything():
    leadership = Leadership(None)
    assert leadership.owns("a/b")
    assert leadership.holds("a/b")
    assert leadership.leading
    assert leadership.others() == []
    await leadership.resign()
