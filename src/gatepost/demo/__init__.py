"""A demo: people, devices and thirty days of what they did, invented from a seed and put into a database."""
