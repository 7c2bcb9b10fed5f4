"""The sandbox's processor: commands keep their order and wait their time."""

from __future__ import annotations

import asyncio

from sandbox.processor import Processor


def test_commands_are_decided_after_their_delay_in_order():
    """Nothing is decided early; what is due is decided in order of acceptance."""
    now = [0.0]
    decided: list[str] = []
    processor = Processor(latency_ms=500, now_s=lambda: now[0])
    assert processor.decide_due(decided.append) is None
    processor.enqueue("a")
    now[0] = 0.25
    processor.enqueue("b")
    assert processor.decide_due(decided.append) == 0.25
    assert decided == []
    now[0] = 0.5
    assert processor.decide_due(decided.append) == 0.25
    assert decided == ["a"]
    now[0] = 9
    assert processor.decide_due(decided.append) is None
    assert decided == ["a", "b"]


def test_many_due_commands_are_decided_in_batches():
    """Requests get their turn between batches: the rest is due at once."""
    decided: list[str] = []
    processor = Processor(latency_ms=0, now_s=lambda: 0)
    for number in range(4000):
        processor.enqueue(str(number))
    assert processor.decide_due(decided.append) == 0
    assert 0 < len(decided) < 4000


def test_the_processing_task_wakes_for_what_arrives():
    """One task serves commands that were there before it, and those that come while it waits."""

    async def scenario():
        decided: list[str] = []
        all_decided = asyncio.Event()

        def decide(command_id):
            decided.append(command_id)
            if len(decided) == 1:
                asyncio.get_running_loop().call_soon(processor.enqueue, "late")
            else:
                all_decided.set()

        processor = Processor(latency_ms=1)
        processor.enqueue("early")
        task = asyncio.create_task(processor.run(decide))
        await asyncio.wait_for(all_decided.wait(), 5)
        task.cancel()
        return decided

    assert asyncio.run(scenario()) == ["early", "late"]
