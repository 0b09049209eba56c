"""Flows and packets hop by hop, as a page and as Markdown; `drawing` has the text."""
