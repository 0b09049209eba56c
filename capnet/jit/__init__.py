"""Functions that run interpreted or compiled. Internal; knows no packets."""
