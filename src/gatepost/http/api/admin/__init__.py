"""What administrators do and see: one file a noun, everything below `/admin`."""
