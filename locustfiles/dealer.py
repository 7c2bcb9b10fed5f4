"""The dealer: gives users the commands of the current phase, each when its time has come."""

from __future__ import annotations

import logging
from collections.abc import Callable

import gevent
from gevent.event import Event

from e2e_data.commands import Channel
from locustfiles.addressing import Addresser
from locustfiles.arrivals import Arrival
from locustfiles.bindings import Bindings
from locustfiles.card import Card
from locustfiles.fleet.holder import Holder
from locustfiles.hand import Hand
from locustfiles.pacing import SECOND_NS
from locustfiles.roster import Roster, Seat
from locustfiles.rounds import next_round
from locustfiles.tracker import Tracker
from locustfiles.work import Lane, Turn, Work, arrival_of, ready_of, turn_of

log = logging.getLogger(__name__)

TOGETHER = 128
"""So many overdue commands are made ready together: one by one they would take several times as long."""
BLOCKED_AT_ONCE = 1000
"""So many blocked commands are recorded before others have their turn on the event loop."""


class Dealer:
    """Deals to one process's users. Whoever directs it sets `work` and opens and closes it."""

    def __init__(
        self,
        now_ns: Callable[[], int],
        hand: Hand,
        holder: Holder,
        bindings: Bindings,
        tracker: Tracker,
        addresser: Addresser,
        roster: Roster,
    ) -> None:
        self._now_ns = now_ns
        self._hand = hand
        self._holder = holder
        self._bindings = bindings
        self._tracker = tracker
        self._addresser = addresser
        self._roster = roster
        self.work: Work | None = None
        self.open = Event()
        """Set while users may take commands."""
        self.warned: Callable[[str, str], None] = lambda _phase, _note: None
        self._warned = False

    def take(self, seat: Seat) -> Turn | None:
        """Wait for the next command for a user's channel, and for its time.

        None where the phase ended meanwhile, or the user is to serve another channel.
        """
        self.open.wait()
        work, channel = self.work, seat.channel
        if work is None or work.over.is_set():
            return None
        lane = work.lanes.get(channel)
        if lane is None:
            # Between phases the mix may change: the user's channel follows.
            gevent.sleep(0)
            return None
        # Before a card is drawn: making it takes time, which is ours and not the platform's.
        free_ns = self._now_ns()
        if not lane.due:
            self._prepare(work, lane, free_ns)
        while lane.due:
            overdue = self._overdue(work, lane, free_ns)
            if overdue is not None:
                return overdue
        card = self._draw(work, lane, seat)
        if card is None:
            while seat.channel is channel and not work.over.is_set():
                lane.wait_for_news()
            return None
        lane.held += 1
        turn: Turn | None = None
        try:
            turn = self._turn(work, lane, card, free_ns)
        finally:
            lane.held -= 1
            if turn is None:
                card.put_back()
        return turn

    def at_once(self, seat: Seat) -> Turn | None:
        """Return the next command for a user's channel if it is overdue, and its request made; no waiting."""
        work = self.work
        lane = work.lanes.get(seat.channel) if work is not None else None
        if work is None or lane is None or work.over.is_set() or not self.open.is_set():
            return None
        free_ns = self._now_ns()
        if not lane.due:
            self._prepare(work, lane, free_ns)
        while lane.due and lane.due[0].request is not None:
            overdue = self._overdue(work, lane, free_ns)
            if overdue is not None:
                return overdue
        return None

    def more(self, channel: Channel, most: int) -> list[Turn]:
        """Return further commands that are overdue, for a user that needs not wait between them."""
        work = self.work
        lane = work.lanes.get(channel) if work is not None and not work.over.is_set() else None
        if work is None or lane is None:
            return []
        free_ns, turns = self._now_ns(), []
        for _ in range(min(most, len(lane.due))):
            overdue = self._overdue(work, lane, free_ns)
            if overdue is not None:
                turns.append(overdue)
        return turns

    def _overdue(self, work: Work, lane: Lane, free_ns: int) -> Turn | None:
        """Return the next of what was made ready, for a user free since then; None if nobody may send it."""
        card, number, intended_ns, request = lane.due.popleft()
        if self._holder.may_send(card.lease):
            arrival = arrival_of((number, intended_ns, free_ns))
            return turn_of((card, arrival, lane.channel, work.number, request))
        card.put_back()
        return None

    def _prepare(self, work: Work, lane: Lane, now_ns: int) -> None:
        """Make ready, all at once, the commands of the arrivals that are overdue, if there are several."""
        if lane.dry or self._tracker.set_aside.back:
            return
        overdue = lane.arrivals.overdue_by(now_ns, TOGETHER)
        if len(overdue) < 2:
            return
        drawn = self._hand.draw_some(lane.channel, len(overdue))
        cards = [card for card in drawn if self._free(card) or self._admitted(work, lane, card)]
        lane.arrivals.take_overdue(overdue[: len(cards)])
        phase, made, http = work.number, self._addresser.request, lane.channel is Channel.HTTP
        for card, (number, intended_ns) in zip(cards, overdue, strict=False):
            request = made(card, phase, intended_ns) if http else None
            lane.due.append(ready_of((card, number, intended_ns, request)))
        if cards and not self._warned:
            self._warn_overdue(work, lane)

    def _free(self, card: Card) -> bool:
        """Tell whether nothing can be in the way of a command; False where it must be looked at."""
        deal = card.deal
        if deal is None or card.original >= 0:
            return False
        if not deal.free:
            accounts = deal.accounts.tolist()
            deal.free = self._bindings.ready(deal.lap, deal.shard.number, accounts, deal.kinds)
        return deal.free[card.row]

    def _turn(self, work: Work, lane: Lane, card: Card, free_ns: int) -> Turn | None:
        """Wait for the time of a card; None where it may not be sent any more."""
        arrival = self._arrival(work, lane, free_ns, card.ready_ns)
        if arrival is None:
            work.over.wait()
            return None
        # Made before the command's time, so that what is left to do then is little.
        http = lane.channel is Channel.HTTP
        intended_ns = arrival.intended_ns
        request = self._addresser.request(card, work.number, intended_ns) if http else None
        if not self._warned:
            self._warn_overdue(work, lane)
        if intended_ns > free_ns:
            early_ns = intended_ns - self._now_ns()
            if early_ns > 0:
                work.over.wait(early_ns / SECOND_NS)
        if work.over.is_set() or self.work is not work:
            return None
        if not self._holder.may_send(card.lease):
            return None
        return Turn(card, arrival, lane.channel, work.number, request)

    def _arrival(self, work: Work, lane: Lane, free_ns: int, ready_ns: int) -> Arrival | None:
        """Wait until it is known which arrival is the next; None where there is none."""
        while not work.over.is_set():
            arrival = lane.arrivals.take(free_ns, not_before_ns=ready_ns)
            if arrival is not None or lane.arrivals.ended:
                return arrival
            lane.wait_for_news()
        return None

    def _draw(self, work: Work, lane: Lane, seat: Seat) -> Card | None:
        """Wait for a command that may be sent; those that may not are blocked, or wait."""
        aside, channel = self._tracker.set_aside, lane.channel
        while not work.over.is_set() and self.work is work and not lane.arrivals.ended:
            card = aside.take(channel) or self._hand.draw(channel)
            if card is None:
                lane.dry = not self._hand.may_come(channel)
                if not self._gave_up(work, lane):
                    lane.wait_for_news()
                if seat.channel is not channel:
                    return None
                continue
            if lane.dry:
                lane.wet(self._now_ns())
            if self._admitted(work, lane, card):
                return card
            if self._tracker.tally.blocked % BLOCKED_AT_ONCE == 0:
                # A whole phase may be blocked: heartbeats and the journal need their turn.
                next_round()
        return None

    def _admitted(self, work: Work, lane: Lane, card: Card) -> bool:
        """Tell whether a command may be sent; one that may not is blocked, or waits."""
        aside = self._tracker.set_aside
        why = self._bindings.blocked(card.account_key, card.kind)
        if why is None and card.original >= 0 and card.waits:
            if not aside.admits(card):
                lane.aside_ns = self._now_ns()
                return False
            why = aside.blocked(card)
        if why is not None:
            self._tracker.blocked(card, work.number, why)
        return why is None

    def _gave_up(self, work: Work, lane: Lane) -> bool:
        """Have the replays come back that wait in vain: nothing else is left, and nothing moves."""
        aside = self._tracker.set_aside
        quiet_ns = self._now_ns() - max(self._tracker.moved_ns, lane.aside_ns)
        if (
            not (lane.dry and aside.waits(lane.channel))
            or work.in_hand
            or quiet_ns < work.settle_ns
        ):
            return False
        aside.give_up(lane.channel, self._now_ns())
        return True

    def _warn_overdue(self, work: Work, lane: Lane) -> None:
        note = lane.overdue_note(self._roster.count(lane.channel))
        if note:
            self._warned = True
            log.warning("phase %s: %s", work.name, note)
            self.warned(work.name, note)
