"""What GraphFS is as a file system, in node ids, here and only here. No FUSE: `graphfs.fuse` only translates."""
