"""A capture while it runs, and how it becomes files or a stream. Internal."""
