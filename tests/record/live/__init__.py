"""Tests of a capture while it runs, on files that grow as those of capture programs do."""
