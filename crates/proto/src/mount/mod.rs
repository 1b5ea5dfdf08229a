//! NFS targets, mount options, and the choice of server and path.
