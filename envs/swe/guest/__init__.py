"""Code that runs inside the sandbox. The host reads these modules as text and sends them there; it imports none."""
