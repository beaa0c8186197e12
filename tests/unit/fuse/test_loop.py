"""The event loop of the exact binding: who runs when, what a thread brings back, and how it ends."""

import os
import random
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from graphfs.fuse.leading import THREADS
from graphfs.fuse.loop import ClosedResourceError, Loop
from graphfs.pauses import about_to_wait


def run(main: Callable[[Loop], Awaitable[None]]) -> None:
    loop = Loop()

    async def start() -> None:
        await main(loop)

    loop.run(start)


def test_a_readable_descriptor_is_waited_for() -> None:
    reader, writer = os.pipe()
    seen = []

    async def main(loop: Loop) -> None:
        threading.Thread(target=os.write, args=(writer, b"x")).start()
        await loop.wait_readable(reader)
        seen.append(os.read(reader, 1))

    run(main)
    os.close(reader)
    os.close(writer)
    assert seen == [b"x"]


def test_requests_that_come_at_once_are_each_heard_and_a_pause_costs_no_processor_time() -> None:
    reader, writer = os.pipe()
    seen: list[bytes] = []
    spent: list[float] = []
    pause = 0.4

    def ask(go: list[threading.Event]) -> None:
        for number, event in enumerate(go):
            event.wait(30)
            os.write(writer, b"%d" % number)

    async def main(loop: Loop) -> None:
        go = [threading.Event() for _ in range(9)]
        asking = threading.Thread(target=ask, args=(go,))
        asking.start()
        for event in go[:8]:
            event.set()
            await loop.wait_readable(reader)
            seen.append(os.read(reader, 1))
        threading.Timer(pause, go[8].set).start()
        begun = time.thread_time()
        await loop.wait_readable(reader)
        spent.append(time.thread_time() - begun)
        seen.append(os.read(reader, 1))
        asking.join()

    run(main)
    os.close(reader)
    os.close(writer)
    assert seen == [b"%d" % number for number in range(9)]
    assert spent[0] < pause / 4


def test_a_call_on_a_thread_gives_its_result_and_its_error() -> None:
    results: list[Any] = []

    async def main(loop: Loop) -> None:
        results.append(await loop.on_thread(divmod, 7, 2))
        results.append(await loop.on_thread(threading.get_ident) == threading.get_ident())
        with pytest.raises(ZeroDivisionError):
            await loop.on_thread(divmod, 1, 0)

    run(main)
    assert results == [(3, 1), False]


def test_while_one_task_waits_for_a_thread_another_is_answered() -> None:
    reader, writer = os.pipe()
    go, order = threading.Event(), []

    async def slow(loop: Loop) -> None:
        await loop.on_thread(go.wait, 10)
        order.append("slow")
        loop.stop()

    async def kernel(loop: Loop) -> None:
        await loop.wait_readable(reader)
        order.append("kernel")
        go.set()
        os.read(reader, 1)
        with pytest.raises(ClosedResourceError):
            await loop.wait_readable(reader)

    async def main(loop: Loop) -> None:
        async with loop.open_nursery() as nursery:
            nursery.start_soon(slow, loop)
            nursery.start_soon(kernel, loop)
            os.write(writer, b"x")

    run(main)
    os.close(reader)
    os.close(writer)
    assert order == ["kernel", "slow"]


def test_a_lock_lets_one_through_at_a_time_in_turn() -> None:
    order: list[str] = []

    async def worker(loop: Loop, lock: Any, name: str) -> None:
        async with lock:
            order.append(f"{name} in")
            await loop.on_thread(int)
            order.append(f"{name} out")

    async def main(loop: Loop) -> None:
        lock = loop.Lock()
        async with loop.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(worker, loop, lock, name)

    run(main)
    assert order == ["a in", "a out", "b in", "b out", "c in", "c out"]


def test_a_task_that_fails_ends_the_others_and_is_raised() -> None:
    reader, writer = os.pipe()
    ended = []

    async def waits(loop: Loop) -> None:
        try:
            await loop.wait_readable(reader)
        except ClosedResourceError:
            ended.append("waits")

    async def fails(loop: Loop) -> None:
        await loop.on_thread(int)
        raise ValueError("x")

    async def main(loop: Loop) -> None:
        async with loop.open_nursery() as nursery:
            nursery.start_soon(waits, loop)
            nursery.start_soon(fails, loop)

    with pytest.raises(ValueError, match="x"):
        run(main)
    os.close(reader)
    os.close(writer)
    assert ended == ["waits"]


def test_a_stop_from_another_thread_ends_the_waiting() -> None:
    reader, writer = os.pipe()

    async def main(loop: Loop) -> None:
        threading.Thread(target=loop.stop).start()
        with pytest.raises(ClosedResourceError):
            await loop.wait_readable(reader)

    run(main)
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("tells", [True, False])
def test_a_call_here_runs_on_the_loops_thread_and_while_it_waits_another_thread_goes_on(tells: bool) -> None:
    reader, writer = os.pipe()
    go = threading.Event()
    order: list[str] = []
    threads: set[int] = set()

    def slow() -> str:
        threads.add(threading.get_ident())
        if tells:
            about_to_wait()
        assert go.wait(30)
        about_to_wait()  # once more: nothing is left to give
        return "slow"

    async def waiting(loop: Loop) -> None:
        order.append(await loop.here(slow))
        loop.stop()

    async def kernel(loop: Loop) -> None:
        threads.add(await loop.here(threading.get_ident))
        os.write(writer, b"x")
        await loop.wait_readable(reader)
        order.append("kernel")
        go.set()
        with pytest.raises(ClosedResourceError):
            await loop.wait_readable(writer)

    async def main(loop: Loop) -> None:
        async with loop.open_nursery() as nursery:
            nursery.start_soon(waiting, loop)
            nursery.start_soon(kernel, loop)

    run(main)
    os.close(reader)
    os.close(writer)
    assert order == ["kernel", "slow"]
    assert len(threads) == 2


def test_more_calls_here_than_threads_all_come_back_with_what_they_found() -> None:
    calls, answers = 3 * THREADS, []
    few = threading.Barrier(2)

    def wait(number: int) -> int:
        about_to_wait()
        few.wait(30)  # two at a time, whichever
        if number % 3 == 0:
            raise ZeroDivisionError(number)
        return number

    async def one(loop: Loop, number: int) -> None:
        try:
            answers.append(await loop.here(wait, number))
        except ZeroDivisionError as error:
            answers.append(-error.args[0])

    async def main(loop: Loop) -> None:
        async with loop.open_nursery() as nursery:
            for number in range(calls):
                nursery.start_soon(one, loop, number)

    run(main)
    assert sorted(answers, key=abs) == [-number if number % 3 == 0 else number for number in range(calls)]


def test_a_loop_whose_calls_wait_and_return_at_random_answers_each_once() -> None:
    rounds, tasks, answers = 200, 8, []
    chance = random.Random(4)

    def call(number: int, kind: int) -> int:
        if kind:
            about_to_wait()
        if kind == 2:
            threading.Event().wait(0.001)
        return number

    async def many(loop: Loop, first: int) -> None:
        for number in range(first, first + rounds):
            answers.append(await loop.here(call, number, chance.randrange(3)))
            if chance.randrange(4) == 0:
                answers.append(await loop.on_thread(call, -number, 0))
                answers.pop()

    async def main(loop: Loop) -> None:
        async with loop.open_nursery() as nursery:
            for task in range(tasks):
                nursery.start_soon(many, loop, task * rounds)

    run(main)
    assert sorted(answers) == list(range(rounds * tasks))
