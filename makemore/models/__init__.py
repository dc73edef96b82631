"""The models: one file a kind, each with its class; the table of kinds is ``kinds.py``."""
