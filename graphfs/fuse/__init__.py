"""The bindings: they translate what the kernel asks into calls of a `Volume`, and its errors into errnos. No meaning is
made here."""
