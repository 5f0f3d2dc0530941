"""The steps that the state machine takes, by topic, each held against the model."""
