"""What people and agents do with Crafter: policies for it, replays and play."""
