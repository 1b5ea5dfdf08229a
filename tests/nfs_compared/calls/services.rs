//! Headers and arguments that are not right, MOUNT and the portmapper.

/// Headers and arguments that are not right.
pub(super) const HEADERS: &str = "
    GETATTR
    GETATTR x:0000
    GETATTR x:00000020
    GETATTR h:plain w:1
    LOOKUP h:.
    LOOKUP h:. w:4294967295
    ACCESS h:plain
    READLINK
    READ h:plain q:0
    READDIR h:folder q:0 q:0
    READDIRPLUS h:folder q:0 q:0 w:4096
    FSSTAT
    FSINFO
    PATHCONF
    COMMIT h:plain
    SETATTR h:plain
    WRITE h:plain
    CREATE h:.
    MKDIR h:.
    SYMLINK h:.
    MKNOD h:.
    REMOVE h:.
    RMDIR h:.
    RENAME h:. s:plain
    LINK h:plain
    100003.3.22
    100003.3.4294967295
    100003.2.0
    100003.1.0
    100003.5.0
    100003.0.0
    100003.4294967295.0
    100000.2.0
    100227.3.0
    100227.3.3
    100227.3.9
    100227.2.0
    100227.1.0
    100021.4.0
    100011.1.0
    300000.1.0
    NULL rpc:1
    NULL rpc:3
    NULL auth:0
    GETATTR h:plain auth:1
    GETATTR h:plain auth:1/0000
    GETATTR h:plain auth:2
    GETATTR h:plain auth:3
    GETATTR h:plain auth:6
    NULL auth:7
    GETATTR h:plain auth:7
    GETATTR h:plain auth:99
    NULL auth:99
    GETATTR h:plain uid:1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18
    GETATTR h:plain uid:1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19
    NULL udp
    GETATTR h:plain udp
    100005.3.0 udp
    100227.3.0 udp
";

pub(super) const MOUNTS: &str = "
    100005.3.0
    100005.2.0
    100005.1.0
    100005.4.0
    100005.0.0
    100005.3.6
    DUMP
    UMNTALL
    DUMP  uid:1000
    MNT path:
    MNT path:/
    MNT path:/folder
    MNT path:/folder/.
    MNT path:/folder/..
    MNT path:/plain
    MNT path:/link
    MNT path:/nothing
    MNT path:/folder/../../etc
    MNT s:/nothing-of-this-name
    MNT s:relative
    MNT s:
    MNT
    MNT #:1024
    MNT #:1025
    MNT path: uid:1000
    MNT path: auth:0
    MNT path: auth:6
    MNT1 path:
    MNT1 s:/nothing-of-this-name
    UMNT1 path:
    UMNT1 s:/never-mounted
    UMNT1
    UMNTALL1
    EXPORTALL1
    UMNT2 path:
    UMNTALL2
    100005.1.7
    EXPORTALL2
    100005.2.7
    100005.1.3 x:00
    EXPORT
    EXPORT1
    DUMP1
    UMNT path:
    UMNT s:/never-mounted
    UMNT
    UMNTALL uid:1000
    DUMP uid:0/0
";

pub(super) const PORTS: &str = "
    100000.2.0 udp
    PMAP_GETPORT w:100003 w:3 w:6 w:0
    PMAP_GETPORT w:100003 w:3 w:17 w:0
    PMAP_GETPORT w:100003 w:4 w:6 w:0
    PMAP_GETPORT w:100003 w:2 w:6 w:0
    PMAP_GETPORT w:100005 w:3 w:6 w:0
    PMAP_GETPORT w:100005 w:1 w:6 w:0
    PMAP_GETPORT w:100005 w:3 w:17 w:0
    PMAP_GETPORT w:100000 w:2 w:6 w:0
    PMAP_GETPORT w:100000 w:2 w:17 w:0
    PMAP_GETPORT w:100000 w:4 w:6 w:0
    PMAP_GETPORT w:100227 w:3 w:6 w:0
    PMAP_GETPORT w:100021 w:4 w:6 w:0
    PMAP_GETPORT w:300000 w:1 w:6 w:0
    PMAP_GETPORT w:100003 w:3 w:6 w:0 udp
    PMAP_GETPORT w:100003 w:3 w:17 w:0 udp
    PMAP_GETPORT w:100003
    PMAP_SET w:300000 w:1 w:6 w:999
    PMAP_UNSET w:300000 w:1 w:6 w:0
    PMAP_DUMP
    100000.2.5 w:100003 w:3 w:0 s: silent
    100000.2.6
    100000.1.0
    100000.3.0
    100000.4.0
    100000.5.0
    100000.4.0 udp
    RPCB_GETADDR w:100003 w:3 s:tcp s: s:
    RPCB_GETADDR w:100003 w:3 s:udp s: s:
    RPCB_GETADDR w:100003 w:3 s:tcp6 s: s:
    RPCB_GETADDR w:100005 w:3 s:tcp s: s:
    RPCB_GETADDR w:300000 w:1 s:tcp s: s:
    RPCB_GETADDR w:100003 w:3 s:tcp s: s: udp
    RPCB_GETADDR w:100003
    RPCB3_GETADDR w:100003 w:3 s:tcp s: s:
    RPCB_GETVERSADDR w:100003 w:3 s:tcp s: s:
    RPCB_GETVERSADDR w:100003 w:2 s:tcp s: s:
    RPCB_DUMP
    RPCB3_DUMP
    RPCB_GETTIME
    RPCB_UADDR2TADDR s:10.66.0.1.8.1
    RPCB_UADDR2TADDR s:nonsense
    RPCB_UADDR2TADDR
    RPCB3_UADDR2TADDR s:10.66.0.1.8.1
    RPCB_TADDR2UADDR w:16 s%:020008010a4200010000000000000000
    RPCB_TADDR2UADDR w:16 s%:0200
    RPCB_TADDR2UADDR
    RPCB3_TADDR2UADDR w:16 s%:020008010a4200010000000000000000
    RPCB3_GETTIME
    100000.4.1 w:300000 w:1 s:tcp s:0.0.0.0.3.231 s:
    100000.4.2 w:300000 w:1 s:tcp s: s:
    100000.4.5 w:100003 w:3 w:0 s: silent
    100000.4.10 w:100003 w:3 w:0 s: silent
    100000.4.11 w:100003 w:3 s:tcp s: s:
    100000.4.12
    100000.4.13
";
