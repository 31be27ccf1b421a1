"""LoggedRec: users fitted to logs that you supply, behind a gate on how faithful the fit is."""
