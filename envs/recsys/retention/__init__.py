"""RetentionRec: clicks today, and whether the user comes back."""
