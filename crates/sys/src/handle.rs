//! File handles: an object of a file system named by bytes that outlive its path and a restart.
