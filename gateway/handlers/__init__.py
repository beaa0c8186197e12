"""The handlers: each turns a request into calls on the drive, and what comes back into a reply. Rules live in the
drive, not here."""
