"""From a row to the named bytes of a Messages request."""
