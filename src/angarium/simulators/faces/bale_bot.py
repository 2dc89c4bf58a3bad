"""Bale's bots: the methods are Telegram's, and updates are asked for (see channels/bale_bot.py)."""

from __future__ import annotations

from angarium.simulators.faces import Operator
from angarium.simulators.faces.telegram_bot import TOKEN, TelegramFace

NAME = "bale"


class BaleFace(TelegramFace):
    """Lines connect with `base_url = url()`."""

    name = NAME
    posts = False


OPERATOR = Operator(
    NAME, BaleFace, lambda url: {"base_url": url, "token": TOKEN}, recipient="5550001", ends="sent"
)
