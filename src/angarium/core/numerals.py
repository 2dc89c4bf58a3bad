"""Digits and signs of numbers in other scripts, as ours. Pure."""

from __future__ import annotations

import re

DIGITS = {ord(sign): str(value) for zero in "٠۰０" for value in range(10) for sign in chr(ord(zero) + value)}
SIGNS = {ord("٫"): ".", ord("٬"): ",", ord("−"): "-", ord("’"): "'", ord("\u200e"): "", ord("\u200f"): ""}
WESTERN = str.maketrans({**DIGITS, **SIGNS})
GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]*)?")  # 0,125 is an eighth
NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]*)?")


def western(text: str) -> str:
    """The text with the digits and signs of other scripts as those of ours."""
    return text if text.isascii() else text.translate(WESTERN)


def number_of(text: str) -> str:
    """A number of a form as ours, whatever its digits and signs: `۱٬۵۰۰٫۵` -> `1500.5`; what is none stays as
    it was typed, and is refused as such."""
    bare = "".join(western(text).split())
    if GROUPED.fullmatch(bare):
        return bare.replace(",", "")
    return bare.replace(",", ".") if NUMBER.fullmatch(bare) else text
