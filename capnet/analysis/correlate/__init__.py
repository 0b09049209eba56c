"""The same packet at several points: matching, links between flows, clocks, duplicates, loss and gaps."""
