"""Decisions and words; standard library only, no clock, no file, no network, no chance."""
