"""The stores in plain SQL, over any database that speaks it."""
