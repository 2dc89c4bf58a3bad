"""What the heart shows to Prometheus: lines, backlogs, loops that died. Read when it is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from angarium.messaging.workers import Engine
from angarium.messaging.world import World


class EngineCollector(Collector):
    """The engine of this process."""

    def __init__(self, world: World, engine: Engine) -> None:
        self._world = world
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        """A family for each thing that is shown."""
        yield from self._lines()
        waiting = GaugeMetricFamily("angarium_waiting", "Items that wait to be written", labels=["what"])
        for what, count in self._engine.backlogs().items():
            waiting.add_metric([what], count)
        yield waiting
        done = CounterMetricFamily("angarium_done", "Items that have been written", labels=["what"])
        for what, count in self._engine.done.items():
            done.add_metric([what], count)
        yield done
        yield from self._summing_up()
        yield from self._log()
        yield from self._doubts()
        died = CounterMetricFamily("angarium_loop_failures", "How often a loop died", labels=["loop"])
        for loop, count in self._engine.failures.items():
            died.add_metric([loop], count)
        yield died

    def _summing_up(self) -> Iterator[Metric]:
        """How far those who read what happened, for segments, home and the memory of cascades, have come."""
        chronicler = self._engine.chronicler
        yield CounterMetricFamily(
            "angarium_summed_up_facts", "Facts that have been summed up", value=chronicler.told
        )
        yield GaugeMetricFamily(
            "angarium_summed_up_behind_seconds",
            "How long ago the last of them happened; 0 when none is new",
            value=chronicler.behind_s,
        )

    def _log(self) -> Iterator[Metric]:
        """What waits in the log of the servers, some seconds ago; where they have one that is no table."""
        backlog = self._engine.incoming.backlog
        if backlog is None:
            return
        max_bytes = backlog.max_bytes or 0
        yield GaugeMetricFamily("angarium_log_entries", "Pieces in the servers' log", value=backlog.entries)
        yield GaugeMetricFamily("angarium_log_bytes", "What they take there", value=backlog.bytes)
        yield GaugeMetricFamily("angarium_log_max_bytes", "What may wait there; 0: no bound", value=max_bytes)

    def _doubts(self) -> Iterator[Metric]:
        """What nobody knows, as it was at the last tidying."""
        unknown = GaugeMetricFamily(
            "angarium_unknown_messages",
            "Messages of which nobody knows whether they went out",
            labels=["line", "class"],
        )
        counted: Counter[tuple[str, str]] = Counter()
        for tidied in self._engine.tidied.values():
            for share in tidied.unknown:
                line = self._world.lines.get(share.line_id)
                counted[line.name if line else "", share.message_class] += share.messages
        for named, count in counted.items():
            unknown.add_metric(named, count)
        yield unknown
        parked = sum(tidied.parked for tidied in self._engine.tidied.values())
        yield GaugeMetricFamily("angarium_parked_receipts", "Receipts that fit no attempt", value=parked)

    def _lines(self) -> Iterator[Metric]:
        labels = ["line", "channel"]
        up = GaugeMetricFamily("angarium_line_up", "Whether it is connected and does not rest", labels=labels)
        resting = GaugeMetricFamily(
            "angarium_line_resting", "Whether it rests, or is tried out after a rest", labels=labels
        )
        speed = GaugeMetricFamily(
            "angarium_line_speed_per_s", "How fast it may go now; 0: without limit", labels=labels
        )
        now = self._world.ground.clock.now()
        for line_id, condition in self._engine.conditions().items():
            line = self._world.lines.get(line_id)
            if line is not None:
                named = [line.name, line.channel]
                up.add_metric(named, float(self._world.connected.get(line_id, False)))
                resting.add_metric(named, float(not condition.well()))
                speed.add_metric(named, condition.pace.speed(now))
        yield from (up, resting, speed)
