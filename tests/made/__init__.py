"""Captures made by hand, each about one thing, beside the scripts that make them.

    python -m tests.made            # writes all of them again
    python -m tests.made vlan sll   # these

Every make_*.py has `captures()`: file name → bytes, always the same bytes.
"""
