"""Twilio's Messages resource, so that a client of Twilio's can be pointed at us by its base URL alone."""
