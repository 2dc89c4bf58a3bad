"""Requests under an idempotency key: what is known of each, and what is kept of those that were good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from angarium.core.problems import Problem
from angarium.messaging.answering import Answer
from angarium.storage import idempotency
from angarium.storage.database import Transaction


class Keyed(Protocol):
    """A request that may have a key, with the hash of its body."""

    @property
    def key(self) -> str:
        """Empty when it has none."""

    @property
    def body_hash(self) -> bytes:
        """Of a request with a key."""


async def claims(
    tx: Transaction, workspace_id: int, orders: Sequence[Keyed], now: int
) -> list[idempotency.Claim]:
    """What is known of each request's key; a claim among keyed requests is told by its place in `orders`."""
    keyed = [i for i, order in enumerate(orders) if order.key]
    claims: list[idempotency.Claim] = [idempotency.New()] * len(orders)
    asked = [(orders[i].key, orders[i].body_hash) for i in keyed]
    found = await idempotency.claim(tx, workspace_id, asked, now) if asked else []
    for i, claim in zip(keyed, found, strict=True):
        claims[i] = idempotency.Twin(keyed[claim.of]) if isinstance(claim, idempotency.Twin) else claim
    return claims


def told(
    orders: Sequence[Keyed], i: int, claim: idempotency.Claim, answers: Mapping[int, Answer | Problem]
) -> Answer | Problem:
    """The answer to a request: its own, by the identity of the request, or that of the one before it."""
    match claim:
        case idempotency.Replay(status, response):
            return Answer(status, response)
        case idempotency.Mismatch():
            return Problem(
                "idempotency-mismatch",
                "This Idempotency-Key was used for another request",
                detail="Use a new key for a new request; repeat a request with exactly the same body.",
            )
        case idempotency.Twin(of):
            return answers[id(orders[of])]
        case _:
            return answers[id(orders[i])]


async def keep(
    tx: Transaction, workspace_id: int, fresh: Sequence[Keyed], answers: Mapping[int, Answer | Problem]
) -> None:
    """Keep the answers of good requests under their keys; a bad request gives its key back."""
    kept, given_back = [], []
    for order in fresh:
        answer = answers[id(order)]
        if order.key and isinstance(answer, Answer) and answer.status < 400:
            kept.append((order.key, answer.status, answer.body))
        elif order.key:
            given_back.append(order.key)
    if kept:
        await idempotency.fill(tx, workspace_id, kept)
    if given_back:
        await idempotency.release(tx, workspace_id, given_back)
