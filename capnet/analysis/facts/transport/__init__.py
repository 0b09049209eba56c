"""What DNS and TCP say of themselves: lookups and their answers, connections and their segments. Internal."""
