"""What all floors of the analysis share: tables, results, the context, derived results. Internal."""
