"""Digits and signs of numbers in other scripts, as ours. Pure."""

from __future__ import annotations

DIGITS = {ord(sign): str(value) for zero in "٠۰０" for value in range(10) for sign in chr(ord(zero) + value)}
SIGNS = {ord("٫"): ".", ord("٬"): ",", ord("−"): "-", ord("’"): "'", ord("\u200e"): "", ord("\u200f"): ""}
WESTERN = str.maketrans({**DIGITS, **SIGNS})


def western(text: str) -> str:
    """The text with the digits and signs of other scripts as those of ours."""
    return text if text.isascii() else text.translate(WESTERN)
