"""What a mount of a server keeps on its own machine: blobs on disk, and what it was told lately. It decides nothing:
while the server answers, the server is asked."""
