"""The driver: programs through the passes and the IREE compiler into loaded modules."""
