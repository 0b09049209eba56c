"""The JSON contract `capnet.report/1`: a report as plain data and as text. Internal."""
