//! Calls that read files and folders.

/// Attributes, and what is said of the file system.
pub(super) const FILES: &str = "
    NULL
    GETATTR h:.
    GETATTR h:plain
    GETATTR h:empty
    GETATTR h:setuid
    GETATTR h:setgid
    GETATTR h:sticky
    GETATTR h:locked
    GETATTR h:far
    GETATTR h:linked
    GETATTR h:linked-too
    GETATTR h:fifo
    GETATTR h:socket
    GETATTR h:null
    GETATTR h:block
    GETATTR h:link
    GETATTR h:long-link
    GETATTR h:bytes-link
    GETATTR h:past
    GETATTR h:precise
    GETATTR h:after-2038
    GETATTR h:after-2106
    GETATTR h:sparse
    GETATTR h:folder
    GETATTR h:folder/inner
    GETATTR h:tmp
    GETATTR h:many
    GETATTR h:shut/file uid:1000
    GETATTR h:plain auth:0
    ACCESS h:. w:63
    ACCESS h:plain w:63
    ACCESS h:plain w:63 uid:1000
    ACCESS h:plain w:63 auth:0
    ACCESS h:plain w:4294967295
    ACCESS h:plain w:0
    ACCESS h:setuid w:63 uid:1000
    ACCESS h:locked w:63
    ACCESS h:locked w:63 uid:1000
    ACCESS h:own w:63 uid:1000
    ACCESS h:own w:63 uid:1001
    ACCESS h:execute-only w:63 uid:1000
    ACCESS h:group w:63 uid:1000/7
    ACCESS h:group w:63 uid:1000/8/9/7
    ACCESS h:group w:63 uid:1000/8/9
    ACCESS h:folder w:63 uid:1000
    ACCESS h:shut w:63 uid:1000
    ACCESS h:shut w:63
    ACCESS h:list-only w:63 uid:1000
    ACCESS h:search-only w:63 uid:1000
    ACCESS h:tmp w:63 uid:1000
    ACCESS h:link w:63 uid:1000
    ACCESS h:fifo w:63 uid:1000
    ACCESS h:socket w:63 uid:1000
    ACCESS h:null w:63 uid:1000
    ACCESS h:null w:63
    ACCESS h:block w:63
    FSSTAT h:.
    FSSTAT h:plain
    FSSTAT h:. uid:1000
    FSINFO h:.
    FSINFO h:plain uid:1000
    PATHCONF h:.
    PATHCONF h:plain uid:1000
    ACCESS h:listed w:63 uid:70
    ACCESS h:listed w:63 uid:1001
    ACCESS h:listed w:63 uid:1002
    ACCESS h:listed w:63 uid:1003
    ACCESS h:listed w:63 uid:1003/7
    ACCESS h:listed w:63 uid:1003/8/70
    ACCESS h:listed w:63 uid:1002/70
    ACCESS h:listed-folder w:63 uid:1001
    ACCESS h:listed-folder w:63 uid:1002
    GETACL h:listed w:15
    GETACL h:listed w:2
    GETACL h:listed w:5
    GETACL h:listed-folder w:15
    GETACL h:listed-folder w:4
    GETACL h:listed-folder/file w:15
    GETACL h:plain w:15
    GETACL h:folder w:15
    GETACL h:plain w:1
    GETACL h:plain w:0
    GETACL h:link w:15
    GETACL h:shut/file w:15 uid:1000
    SETACL h:plain w:1 w:0 w:0 w:0 w:0
";

pub(super) const LOOKUPS: &str = "
    LOOKUP h:. s:plain
    LOOKUP h:. s:nothing
    LOOKUP h:. s:.
    LOOKUP h:. s:..
    LOOKUP h:folder s:.
    LOOKUP h:folder s:..
    LOOKUP h:folder/inner s:..
    LOOKUP h:folder s:... uid:1000
    LOOKUP h:. s:
    LOOKUP h:. s:a/b
    LOOKUP h:. s:/
    LOOKUP h:. s%:610062
    LOOKUP h:names #:255
    LOOKUP h:names #:256
    LOOKUP h:names #:1025
    LOOKUP h:names s%:fffe20e9
    LOOKUP h:plain s:name
    LOOKUP h:plain s:.
    LOOKUP h:plain s:..
    LOOKUP h:link s:name
    LOOKUP h:fifo s:name
    LOOKUP h:. s:link
    LOOKUP h:. s:plain/
    LOOKUP h:. s:PLAIN
    LOOKUP h:shut s:file uid:1000
    LOOKUP h:shut s:file
    LOOKUP h:shut s:nothing uid:1000
    LOOKUP h:shut s:. uid:1000
    LOOKUP h:shut s:.. uid:1000
    LOOKUP h:list-only s:file uid:1000
    LOOKUP h:search-only s:file uid:1000
    LOOKUP h:. s:lost+found
    LOOKUP h:listed-folder s:file uid:1001
    LOOKUP h:listed-folder s:file uid:1002
";

pub(super) const CONTENTS: &str = "
    READLINK h:link
    READLINK h:long-link
    READLINK h:bytes-link
    READLINK h:link uid:1000
    READLINK h:plain
    READLINK h:folder
    READLINK h:fifo
    READLINK h:null
    READ h:plain q:0 w:100
    READ h:plain q:0 w:11
    READ h:plain q:0 w:5
    READ h:plain q:5 w:6
    READ h:plain q:11 w:1
    READ h:plain q:12 w:1
    READ h:plain q:0 w:0
    READ h:plain q:11 w:0
    READ h:plain q:100 w:0
    READ h:plain q:9223372036854775806 w:10
    READ h:plain q:9223372036854775807 w:10
    READ h:plain q:9223372036854775808 w:10
    READ h:plain q:18446744073709551615 w:10
    READ h:empty q:0 w:100
    READ h:empty q:0 w:0
    READ h:sparse q:4294967290 w:20
    READ h:sparse q:5368709120 w:100
    READ h:sparse q:65536 w:65536
    READ h:plain q:0 w:10 uid:1000
    READ h:locked q:0 w:10
    READ h:locked q:0 w:10 uid:1000
    READ h:own q:0 w:10 uid:1000
    READ h:own q:0 w:10 uid:1001
    READ h:owned-unreadable q:0 w:10 uid:1000
    READ h:execute-only q:0 w:20 uid:1000
    READ h:group q:0 w:10 uid:1000/7
    READ h:group q:0 w:10 uid:1000/8/9/7
    READ h:group q:0 w:10 uid:1000
    READ h:group q:0 w:10 auth:0
    READ h:listed q:0 w:10 uid:1001
    READ h:listed q:0 w:10 uid:1002
    READ h:listed q:0 w:10 uid:1003/7
    READ h:folder q:0 w:10
    READ h:link q:0 w:10
    READ h:fifo q:0 w:10
    READ h:socket q:0 w:10
    READ h:null q:0 w:10
    READ h:block q:0 w:10
";

pub(super) const LISTINGS: &str = "
    READDIR h:void q:0 q:0 w:4096
    READDIR h:folder q:0 q:0 w:4096
    READDIR h:names q:0 q:0 w:8192
    READDIR h:shut q:0 q:0 w:4096 uid:1000
    READDIR h:list-only q:0 q:0 w:4096 uid:1000
    READDIR h:search-only q:0 q:0 w:4096 uid:1000
    READDIR h:plain q:0 q:0 w:4096
    READDIR h:link q:0 q:0 w:4096
    READDIR h:folder q:0 q:0 w:0
    READDIR h:folder q:0 q:0 w:1
    READDIR h:folder q:0 q:0 w:64
    READDIR h:folder q:0 q:0 w:112
    READDIR h:folder q:0 q:0 w:4294967295
    READDIR h:folder q:0 x:0102030405060708 w:4096
    READDIR h:folder q:1 x:0102030405060708 w:4096
    READDIR h:folder q:18446744073709551615 q:0 w:4096
    READDIR h:folder w:512 whole
    READDIR h:names w:512 whole
    READDIR h:many w:512 whole
    READDIR h:many w:4096 whole
    READDIR h:many w:65536 whole
    READDIRPLUS h:void q:0 q:0 w:4096 w:32768
    READDIRPLUS h:folder q:0 q:0 w:4096 w:32768
    READDIRPLUS h:names q:0 q:0 w:4096 w:32768
    READDIRPLUS h:shut q:0 q:0 w:4096 w:32768 uid:1000
    READDIRPLUS h:list-only q:0 q:0 w:4096 w:32768 uid:1000
    READDIRPLUS h:search-only q:0 q:0 w:4096 w:32768 uid:1000
    READDIRPLUS h:plain q:0 q:0 w:4096 w:32768
    READDIRPLUS h:folder q:0 q:0 w:0 w:32768
    READDIRPLUS h:folder q:0 q:0 w:4096 w:0
    READDIRPLUS h:folder q:0 q:0 w:4096 w:64
    READDIRPLUS h:folder q:0 q:0 w:4096 w:128
    READDIRPLUS h:folder q:0 x:0102030405060708 w:4096 w:32768
    READDIRPLUS h:folder q:1 x:0102030405060708 w:4096 w:32768
    READDIRPLUS h:folder w:512 w:1024 whole
    READDIRPLUS h:names w:512 w:1024 whole
    READDIRPLUS h:many w:512 w:1024 whole
    READDIRPLUS h:many w:4096 w:32768 whole
    READDIRPLUS h:many w:65536 w:65536 whole
";
