"""DriverProgram: coupons for drivers whose answer to them changes with what they got before."""
