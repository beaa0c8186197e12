"""Mounts as the machine sees them: what mount.py and the command line share. No FUSE, no drive, no settings."""
