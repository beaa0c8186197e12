"""The contract of a POSIX drive, run over a mounted drive with every binding and over an ordinary folder.

What is asserted here is what ext4 does: the ordinary folder (`plain`) runs every test too, so a test that expects
something else is noticed. Not here: what `tags/` means (tests/system), the file system without a kernel (tests/unit).
"""
