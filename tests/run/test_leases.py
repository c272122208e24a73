"""Of several processes one holds a lease, and another takes over when it is gone."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.errors import Unavailable
from siem.run.leases import LEASE, Standing, Tenure
from siem.store.scheduling import Lease, Pass

BEAT = LEASE / 6


@dataclass
class Leases:
    """Keeps leases in memory. loses: answers of `take` that get lost after it was carried out."""

    kept: dict[str, Lease] = field(default_factory=dict)
    loses: int = 0

    def lease(self, name: str) -> Lease | None:
        return self.kept.get(name)

    def take(self, name: str, holder: str, seen: Lease | None) -> Lease | None:
        if self.kept.get(name) != seen:
            return None
        self.kept[name] = Lease(name, holder, seen.version + 1 if seen else 1)
        if self.loses:
            self.loses -= 1
            raise Unavailable("no answer")
        return self.kept[name]

    def record(self, done: Pass) -> None:
        raise NotImplementedError

    def passes(self, most: int) -> list[Pass]:
        raise NotImplementedError


class World:
    """Processes on one store, with one clock."""

    def __init__(self, processes: int) -> None:
        self.now, self.store = 0.0, Leases()
        self.all = [Tenure("work", f"process {number}", lambda: self.now) for number in range(processes)]

    def tend(self, *numbers: int, every: float = BEAT, seconds: float = 0) -> list[Standing]:
        """Let these tend the lease, once or for a time; how they stand in the end."""
        end = self.now + seconds
        standing = [self.all[number].tend(self.store) for number in numbers]
        while self.now < end:
            self.now += every
            standing = [self.all[number].tend(self.store) for number in numbers]
        return standing

    @property
    def holding(self) -> list[int]:
        return [number for number, one in enumerate(self.all) if one.holds]


@pytest.fixture
def world() -> World:
    return World(2)


def test_the_first_has_it_and_the_other_waits_as_long_as_it_lives(world: World) -> None:
    assert world.tend(0, 1, seconds=3_600) == [Standing.HELD, Standing.WAITING]
    assert world.holding == [0]


@pytest.mark.parametrize("late", [0, 0.3, 0.9])
def test_when_the_first_is_killed_the_other_takes_over_in_under_a_minute(world: World, late: float) -> None:
    """However the beats of the two lie to each other."""
    world.tend(0)
    world.now += late * BEAT
    world.tend(1)
    world.tend(0)
    killed = world.now
    while world.tend(1) != [Standing.HELD]:
        world.now += BEAT
    assert LEASE <= world.now - killed < 60 - BEAT


def test_what_is_given_back_is_taken_at_the_next_beat(world: World) -> None:
    world.tend(0, 1)
    world.all[0].give_back(world.store)
    assert world.holding == []
    assert world.tend(1) == [Standing.HELD]
    world.all[0].give_back(world.store)
    assert world.tend(1) == [Standing.HELD]


def test_a_holder_that_slept_knows_without_asking_that_it_may_have_lost_it(world: World) -> None:
    world.tend(0, 1)
    world.tend(1, seconds=2 * LEASE)
    assert world.holding == [1]
    assert world.tend(0, 1) == [Standing.LOST, Standing.HELD]
    assert world.tend(0, 1) == [Standing.WAITING, Standing.HELD]


def test_a_holder_that_slept_alone_goes_on(world: World) -> None:
    world.tend(0)
    world.now += 10 * LEASE
    assert world.holding == []
    assert world.tend(0) == [Standing.HELD]
    assert world.holding == [0]


def test_a_lost_answer_loses_no_lease(world: World) -> None:
    world.tend(0)
    for lost in (1, 2):
        world.store.loses = lost
        for _ in range(lost):
            with pytest.raises(Unavailable):
                world.tend(0)
        assert world.tend(0) == [Standing.HELD]
    world.all[0].give_back(world.store)
    world.store.loses = 1
    with pytest.raises(Unavailable):
        world.tend(1)
    assert world.holding == []
    assert world.tend(1) == [Standing.HELD]  # it stands in its own name already


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0, 2 * LEASE)), max_size=60))
def test_never_two_hold_it_whatever_the_pauses(steps: list[tuple[int, float]]) -> None:
    world = World(3)
    for number, pause in steps:
        world.now += pause
        assert len(world.holding) <= 1
        world.tend(number)
        assert len(world.holding) <= 1
