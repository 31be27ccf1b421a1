"""SlateRec: ten items at a time, for users who get bored, drift with what they click, and leave."""
