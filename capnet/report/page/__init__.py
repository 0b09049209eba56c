"""The page: parts of HTML that reports, traces and comparisons are put together from."""
