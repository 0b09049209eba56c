"""The kernels of the pass, and the columns of their arrays. Internal."""
