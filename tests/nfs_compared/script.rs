//! A call as a line of text: the procedure, then its arguments and what is unusual about its header.
//!
//! ```text
//! READ h:plain q:0 w:4096             NFSv3, a handle by the path of its file, then 64 and 32 bits
//! LOOKUP h:. s:plain uid:1000/100     a name, and the caller
//! 100003.4.1 udp                      any program, version and procedure; over UDP
//! ```

use anyhow::{Context, Result, bail};

/// A parsed line.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) procedure: [u32; 3],
    pub(crate) shape: Shape,
    pub(crate) udp: bool,
    /// Some servers do not answer.
    pub(crate) silent: bool,
    /// READDIR is called again until it is at its end.
    pub(crate) whole: bool,
    pub(crate) rpc_version: u32,
    pub(crate) flavour: u32,
    pub(crate) credential: Vec<u8>,
    pub(crate) arguments: Vec<Argument>,
}

#[derive(Debug)]
pub(crate) enum Argument {
    Bytes(Vec<u8>),
    /// The handle of the file with this path, with these bits of its last eight bytes changed: inode number,
    /// generation or signature.
    Handle(String, u8),
    /// What the root is mounted by, and this after it.
    Export(String),
}

/// What a reply consists of: names and kinds of fields, for success and for failure.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shape {
    pub(crate) status: bool,
    pub(crate) good: &'static str,
    pub(crate) bad: &'static str,
}

pub(crate) const PORTMAP: u32 = 100_000;
pub(crate) const NFS: u32 = 100_003;
pub(crate) const MOUNT: u32 = 100_005;
pub(crate) const NFSACL: u32 = 100_227;

/// Name, program, version, procedure; the fields after the status `OK`, and after others. `-`: there is no status.
const PROCEDURES: &[(&str, u32, u32, u32, &str, &str)] = &[
    ("NULL", NFS, 3, 0, "", "-"),
    ("GETATTR", NFS, 3, 1, "obj:attributes", ""),
    ("SETATTR", NFS, 3, 2, "obj:wcc", "obj:wcc"),
    (
        "LOOKUP",
        NFS,
        3,
        3,
        "object:handle obj:post dir:post",
        "dir:post",
    ),
    ("ACCESS", NFS, 3, 4, "obj:post access:hex", "obj:post"),
    ("READLINK", NFS, 3, 5, "link:post target:bytes", "link:post"),
    (
        "READ",
        NFS,
        3,
        6,
        "file:post count:word eof:word data:bytes",
        "file:post",
    ),
    ("WRITE", NFS, 3, 7, "file:wcc", "file:wcc"),
    (
        "CREATE",
        NFS,
        3,
        8,
        "object:optional-handle obj:post dir:wcc",
        "dir:wcc",
    ),
    (
        "MKDIR",
        NFS,
        3,
        9,
        "object:optional-handle obj:post dir:wcc",
        "dir:wcc",
    ),
    (
        "SYMLINK",
        NFS,
        3,
        10,
        "object:optional-handle obj:post dir:wcc",
        "dir:wcc",
    ),
    (
        "MKNOD",
        NFS,
        3,
        11,
        "object:optional-handle obj:post dir:wcc",
        "dir:wcc",
    ),
    ("REMOVE", NFS, 3, 12, "dir:wcc", "dir:wcc"),
    ("RMDIR", NFS, 3, 13, "dir:wcc", "dir:wcc"),
    ("RENAME", NFS, 3, 14, "from:wcc to:wcc", "from:wcc to:wcc"),
    ("LINK", NFS, 3, 15, "file:post dir:wcc", "file:post dir:wcc"),
    (
        "READDIR",
        NFS,
        3,
        16,
        "dir:post verifier:verifier entries:entries",
        "dir:post",
    ),
    (
        "READDIRPLUS",
        NFS,
        3,
        17,
        "dir:post verifier:verifier entries:entries-plus",
        "dir:post",
    ),
    (
        "FSSTAT",
        NFS,
        3,
        18,
        "obj:post tbytes:long fbytes:long abytes:long tfiles:long ffiles:long afiles:long invarsec:word",
        "obj:post",
    ),
    (
        "FSINFO",
        NFS,
        3,
        19,
        "obj:post rtmax:word rtpref:word rtmult:word wtmax:word wtpref:word wtmult:word dtpref:word maxfilesize:long \
         time_delta:time properties:hex",
        "obj:post",
    ),
    (
        "PATHCONF",
        NFS,
        3,
        20,
        "obj:post linkmax:word name_max:word no_trunc:word chown_restricted:word case_insensitive:word case_preserving:word",
        "obj:post",
    ),
    ("COMMIT", NFS, 3, 21, "file:wcc verf:verifier", "file:wcc"),
    ("MNT", MOUNT, 3, 1, "handle:handle flavours:words", ""),
    ("MNT1", MOUNT, 1, 1, "handle:fixed-handle", ""),
    ("DUMP", MOUNT, 3, 2, "mounts:mounts", "-"),
    ("DUMP1", MOUNT, 1, 2, "mounts:mounts", "-"),
    ("UMNT", MOUNT, 3, 3, "", "-"),
    ("UMNTALL", MOUNT, 3, 4, "", "-"),
    ("EXPORT", MOUNT, 3, 5, "exports:exports", "-"),
    ("UMNT1", MOUNT, 1, 3, "", "-"),
    ("UMNTALL1", MOUNT, 1, 4, "", "-"),
    ("EXPORT1", MOUNT, 1, 5, "exports:exports", "-"),
    ("EXPORTALL1", MOUNT, 1, 6, "exports:exports", "-"),
    ("EXPORTALL2", MOUNT, 2, 6, "exports:exports", "-"),
    ("UMNT2", MOUNT, 2, 3, "", "-"),
    ("UMNTALL2", MOUNT, 2, 4, "", "-"),
    ("PMAP_SET", PORTMAP, 2, 1, "done:word", "-"),
    ("PMAP_UNSET", PORTMAP, 2, 2, "done:word", "-"),
    ("PMAP_GETPORT", PORTMAP, 2, 3, "port:word", "-"),
    ("PMAP_DUMP", PORTMAP, 2, 4, "mappings:mappings", "-"),
    ("RPCB_GETADDR", PORTMAP, 4, 3, "address:bytes", "-"),
    ("RPCB3_GETADDR", PORTMAP, 3, 3, "address:bytes", "-"),
    ("RPCB_DUMP", PORTMAP, 4, 4, "mappings:addresses", "-"),
    ("RPCB3_DUMP", PORTMAP, 3, 4, "mappings:addresses", "-"),
    ("RPCB_GETTIME", PORTMAP, 4, 6, "now:now", "-"),
    ("RPCB3_GETTIME", PORTMAP, 3, 6, "now:now", "-"),
    (
        "RPCB_UADDR2TADDR",
        PORTMAP,
        4,
        7,
        "most:word address:bytes",
        "-",
    ),
    (
        "RPCB3_UADDR2TADDR",
        PORTMAP,
        3,
        7,
        "most:word address:bytes",
        "-",
    ),
    ("RPCB_TADDR2UADDR", PORTMAP, 4, 8, "address:bytes", "-"),
    ("RPCB3_TADDR2UADDR", PORTMAP, 3, 8, "address:bytes", "-"),
    ("RPCB_GETVERSADDR", PORTMAP, 4, 9, "address:bytes", "-"),
    (
        "GETACL",
        NFSACL,
        3,
        1,
        "obj:post mask:word acl:acl default:acl",
        "obj:post",
    ),
    ("SETACL", NFSACL, 3, 2, "obj:post", "obj:post"),
];

impl Call {
    pub(crate) fn parse(line: &str) -> Result<Self> {
        let mut words = line.split_whitespace();
        let name = words.next().context("an empty line")?;
        let (procedure, shape) = procedure(name).with_context(|| format!("{line}: {name}"))?;
        let mut call = Self {
            procedure,
            shape,
            udp: false,
            silent: false,
            whole: false,
            rpc_version: 2,
            flavour: 1,
            credential: auth_sys("0/0")?,
            arguments: Vec::new(),
        };
        for word in words {
            call.add(word).with_context(|| format!("{line}: {word}"))?;
        }
        Ok(call)
    }

    fn add(&mut self, word: &str) -> Result<()> {
        let (kind, value) = word.split_once(':').unwrap_or((word, ""));
        match kind {
            "udp" => self.udp = true,
            "silent" => self.silent = true,
            "whole" => self.whole = true,
            "rpc" => self.rpc_version = value.parse()?,
            "uid" => self.credential = auth_sys(value)?,
            "auth" => {
                let (flavour, body) = value.split_once('/').unwrap_or((value, ""));
                (self.flavour, self.credential) = (flavour.parse()?, hex(body)?);
            }
            _ => self.arguments.push(Argument::parse(kind, value)?),
        }
        Ok(())
    }
}

impl Argument {
    fn parse(kind: &str, value: &str) -> Result<Self> {
        let bytes = Self::Bytes;
        Ok(match kind {
            "h" => Self::Handle(value.to_owned(), 0),
            "h~" => Self::Handle(value.to_owned(), 0x40),
            "path" => Self::Export(value.to_owned()),
            // A handle, or other opaque data, of this many bytes.
            "#" => bytes(opaque(&vec![b'x'; value.parse()?])),
            "s" => bytes(opaque(value.as_bytes())),
            "s%" => bytes(opaque(&hex(value)?)),
            "w" => bytes(value.parse::<u32>()?.to_be_bytes().to_vec()),
            "q" => bytes(value.parse::<u64>()?.to_be_bytes().to_vec()),
            "x" => bytes(hex(value)?),
            // sattr3 without anything to set.
            "sattr" => bytes(vec![0; 24]),
            // One that sets the mode to 0600.
            "chmod" => bytes([&[0, 0, 0, 1, 0, 0, 1, 0x80][..], &[0; 20]].concat()),
            _ => bail!("unknown"),
        })
    }
}

fn procedure(name: &str) -> Result<([u32; 3], Shape)> {
    let known = PROCEDURES.iter().find(|(known, ..)| *known == name);
    if let Some(&(_, program, version, number, good, bad)) = known {
        let status = bad != "-";
        return Ok(([program, version, number], Shape { status, good, bad }));
    }
    let numbers: Vec<u32> = name.split('.').map(str::parse).collect::<Result<_, _>>()?;
    let procedure = <[u32; 3]>::try_from(numbers)
        .ok()
        .context("no such procedure")?;
    Ok((procedure, Shape::default()))
}

/// AUTH_SYS (RFC 5531 appendix A) for `uid/gid/groups…`.
fn auth_sys(user: &str) -> Result<Vec<u8>> {
    let numbers: Vec<u32> = user.split('/').map(str::parse).collect::<Result<_, _>>()?;
    let (uid, rest) = numbers.split_first().context("a uid")?;
    let (gid, groups) = rest.split_first().unwrap_or((uid, &[]));
    let count = u32::try_from(groups.len())?;
    let words = [
        0,
        7,
        u32::from_be_bytes(*b"comp"),
        u32::from_be_bytes(*b"are\0"),
        *uid,
        *gid,
        count,
    ];
    let words = words.iter().chain(groups);
    Ok(words.flat_map(|word| word.to_be_bytes()).collect())
}

/// Variable-length opaque data (RFC 4506 §4.10).
pub(crate) fn opaque(data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap_or(0).to_be_bytes();
    let padding = vec![0; data.len().next_multiple_of(4) - data.len()];
    [&length[..], data, &padding].concat()
}

fn hex(text: &str) -> Result<Vec<u8>> {
    let digits = (0..text.len())
        .step_by(2)
        .map(|at| text.get(at..at + 2).context("an odd digit"));
    digits
        .map(|digits| Ok(u8::from_str_radix(digits?, 16)?))
        .collect()
}
