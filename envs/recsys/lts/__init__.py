"""LTSRec: clickbait pays now, satisfaction pays later."""
