"""The small process that watches over one job; standard library only, and few modules of it, so that it starts fast."""
