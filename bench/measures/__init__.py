"""The kinds of measurement, one a module; each takes one sample a round."""
