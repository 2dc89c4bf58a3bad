"""Saved audiences: rules over contacts and their history.

`rules.py` what a rule may say; `values.py` what a value is compared with; `check.py` what is wrong with
rules; `lower.py` rules as plain terms; `store/sql.py` terms as statements; `plain.py` the same of one
contact, without a database; `store/` and `flows.py` as in every room.
"""
