//! A reply as named fields of text. What every server makes up for itself is named by what it means: a handle by the path
//! of its file, an `fsid` as that of the root, a verifier as present.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result, bail, ensure};

use super::entry::{Entry, facts};
use super::script::Shape;
use super::status;
use super::text::shown;

/// The fields of a reply.
pub(crate) type Answer = BTreeMap<String, String>;

/// What is known of a server.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) handles: BTreeMap<String, Vec<u8>>,
    pub(crate) fsid: String,
}

/// The fields of a whole reply.
pub(crate) fn read(reply: &[u8], shape: Shape, names: &Names) -> Result<Answer> {
    let mut reader = Reader {
        rest: reply,
        names,
        answer: Answer::new(),
    };
    let rpc = reader.head()?;
    let success = rpc == "success";
    reader.set("rpc", rpc);
    if success {
        let good = !shape.status || reader.status()?;
        for field in if good { shape.good } else { shape.bad }.split_whitespace() {
            let (name, kind) = field.split_once(':').context("a field without a kind")?;
            if let Err(error) = reader.field(name, kind) {
                reader.set("malformed", format!("{name}: {error}"));
                return Ok(reader.answer);
            }
        }
    }
    if !reader.rest.is_empty() {
        let rest = shown(reader.rest);
        reader.set("beyond the end", rest);
    }
    Ok(reader.answer)
}

/// Calls `part` with cookie and verifier until a directory is at its end; the fields are of all entries together. `plus`:
/// by READDIRPLUS.
pub(crate) fn listing(
    plus: bool,
    mut part: impl FnMut(u64, [u8; 8]) -> Result<Vec<u8>>,
) -> Result<Answer> {
    let names = Names::default();
    let (mut cookie, mut verifier) = (0, [0; 8]);
    let mut all = Vec::new();
    loop {
        let reply = part(cookie, verifier)?;
        let mut reader = Reader {
            rest: &reply,
            names: &names,
            answer: Answer::new(),
        };
        ensure!(reader.head()? == "success", "{reply:?}");
        if !reader.status()? {
            return Ok(reader.answer);
        }
        reader.field("dir", "post")?;
        verifier = reader.array()?;
        let (entries, end) = reader.list(plus)?;
        ensure!(end || !entries.is_empty(), "nothing new");
        cookie = entries.last().map_or(cookie, |entry| entry.cookie);
        all.extend(entries);
        if end {
            return Ok(facts(&all));
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    names: &'a Names,
    answer: Answer,
}

impl Reader<'_> {
    fn set(&mut self, name: &str, value: impl ToString) {
        self.answer.insert(name.to_owned(), value.to_string());
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .context("the reply is too short")?;
        self.rest = rest;
        Ok(taken.to_vec())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().ok().context("a length")
    }

    fn word(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn long(&mut self) -> Result<u64> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    fn opaque(&mut self) -> Result<Vec<u8>> {
        let length = usize::try_from(self.word()?)?;
        let data = self.take(length)?;
        let padding = self.take(length.next_multiple_of(4) - length)?;
        ensure!(
            padding.iter().all(|byte| *byte == 0),
            "the padding is not zero (RFC 4506 §4.10)"
        );
        Ok(data)
    }

    /// The header (RFC 5531 §9), up to the results.
    fn head(&mut self) -> Result<String> {
        let [_xid, kind, denied] = [self.word()?, self.word()?, self.word()?];
        ensure!(kind == 1, "not a reply");
        if denied == 1 {
            return Ok(match self.word()? {
                0 => format!("RPC_MISMATCH {} to {}", self.word()?, self.word()?),
                _ => format!("AUTH_ERROR {}", self.word()?),
            });
        }
        let flavour = self.word()?;
        ensure!(
            flavour == 0 && self.opaque()?.is_empty(),
            "a verifier of flavour {flavour}"
        );
        Ok(match self.word()? {
            0 => "success".to_owned(),
            1 => "PROG_UNAVAIL".to_owned(),
            2 => format!("PROG_MISMATCH {} to {}", self.word()?, self.word()?),
            3 => "PROC_UNAVAIL".to_owned(),
            4 => "GARBAGE_ARGS".to_owned(),
            5 => "SYSTEM_ERR".to_owned(),
            other => bail!("accept_stat {other}"),
        })
    }

    fn status(&mut self) -> Result<bool> {
        let status = self.word()?;
        self.set("status", status::name(status));
        Ok(status == 0)
    }

    fn field(&mut self, name: &str, kind: &str) -> Result<()> {
        match kind {
            "word" => {
                let word = self.word()?;
                self.set(name, word);
            }
            "hex" => {
                let word = self.word()?;
                self.set(name, format!("{word:#x}"));
            }
            "long" => {
                let long = self.long()?;
                self.set(name, long);
            }
            "time" => {
                let time = self.time()?;
                self.set(name, time);
            }
            "bytes" => {
                let bytes = self.opaque()?;
                self.set(name, shown(&bytes));
            }
            "words" => {
                let count = self.word()?;
                let words = (0..count)
                    .map(|_| self.word())
                    .collect::<Result<Vec<_>>>()?;
                self.set(name, format!("{words:?}"));
            }
            "verifier" => {
                self.take(8)?;
            }
            // The seconds since 1970.
            "now" => {
                let now = self.word()?;
                self.set(
                    name,
                    if now > 1_700_000_000 {
                        "now"
                    } else {
                        "another time"
                    },
                );
            }
            "handle" => self.handle(name)?,
            "fixed-handle" => {
                self.take(32)?;
                self.set(name, "32 bytes");
            }
            "optional-handle" => {
                if self.word()? == 1 {
                    self.handle(name)?;
                }
            }
            "attributes" => self.attributes(name)?,
            "post" => self.post(name)?,
            "wcc" => {
                let before = self.word()? == 1;
                if before {
                    self.take(24)?;
                }
                self.set(
                    &format!("{name} before"),
                    if before { "present" } else { "absent" },
                );
                self.post(name)?;
            }
            "entries" | "entries-plus" => {
                let (entries, end) = self.list(kind == "entries-plus")?;
                self.answer.extend(facts(&entries));
                self.set("eof", end);
            }
            "acl" => {
                let entries = self.word()?;
                let listed = self.word()?;
                let mut text = format!("{entries}:");
                for _ in 0..listed {
                    let [tag, id, bits] = [self.word()?, self.word()?, self.word()?];
                    write!(text, " {tag:#x}/{id}/{bits:o}")?;
                }
                self.set(name, text);
            }
            "mounts" | "exports" | "mappings" | "addresses" => self.strings(name, kind)?,
            _ => bail!("unknown kind {kind}"),
        }
        Ok(())
    }

    /// The lists of MOUNT and of the portmapper, sorted.
    fn strings(&mut self, name: &str, kind: &str) -> Result<()> {
        let mut all = Vec::new();
        while self.word()? == 1 {
            all.push(match kind {
                "mounts" => format!("{} {}", shown(&self.opaque()?), shown(&self.opaque()?)),
                "exports" => {
                    let mut text = shown(&self.opaque()?);
                    while self.word()? == 1 {
                        write!(text, " {}", shown(&self.opaque()?))?;
                    }
                    text
                }
                "mappings" => {
                    let words = [self.word()?, self.word()?, self.word()?, self.word()?];
                    format!("{words:?}")
                }
                _ => {
                    let words = [self.word()?, self.word()?];
                    let (netid, address) = (shown(&self.opaque()?), shown(&self.opaque()?));
                    let _owner = self.opaque()?;
                    format!("{words:?} {netid} {address}")
                }
            });
        }
        all.sort();
        self.set(name, all.join(", "));
        Ok(())
    }

    fn handle(&mut self, name: &str) -> Result<()> {
        let handle = self.opaque()?;
        let mut known = self.names.handles.iter();
        let known = known.find(|(_, known)| **known == handle);
        let path = known.map_or_else(|| "of another file".to_owned(), |(path, _)| path.clone());
        self.set(name, path);
        Ok(())
    }

    fn post(&mut self, name: &str) -> Result<()> {
        let present = self.word()? == 1;
        self.set(name, if present { "present" } else { "absent" });
        if present {
            self.attributes(name)
        } else {
            Ok(())
        }
    }

    /// `fattr3` (RFC 1813 §2.6).
    fn attributes(&mut self, name: &str) -> Result<()> {
        for field in ["type", "mode", "nlink", "uid", "gid"] {
            let word = self.word()?;
            let text = if field == "mode" {
                format!("{word:o}")
            } else {
                word.to_string()
            };
            self.set(&format!("{name}.{field}"), text);
        }
        for field in ["size", "used"] {
            let long = self.long()?;
            self.set(&format!("{name}.{field}"), long);
        }
        let device = [self.word()?, self.word()?];
        self.set(&format!("{name}.rdev"), format!("{device:?}"));
        let fsid = self.long()?.to_string();
        let fsid = if fsid == self.names.fsid {
            "of the root"
        } else {
            &fsid
        };
        self.set(&format!("{name}.fsid"), fsid);
        let fileid = self.long()?;
        self.set(&format!("{name}.fileid"), fileid);
        for field in ["atime", "mtime", "ctime"] {
            let time = self.time()?;
            self.set(&format!("{name}.{field}"), time);
        }
        Ok(())
    }

    fn time(&mut self) -> Result<String> {
        Ok(format!("{}.{:09}", self.word()?, self.word()?))
    }

    /// The entries of a reply, and whether they are the last.
    fn list(&mut self, plus: bool) -> Result<(Vec<Entry>, bool)> {
        let mut entries = Vec::new();
        while self.word()? == 1 {
            let number = self.long()?;
            let name = shown(&self.opaque()?);
            let cookie = self.long()?;
            let more = if plus { Some(self.details()?) } else { None };
            entries.push(Entry {
                name,
                number,
                cookie,
                more,
            });
        }
        Ok((entries, self.word()? == 1))
    }

    fn details(&mut self) -> Result<(Answer, bool)> {
        let mut inner = Reader {
            rest: self.rest,
            names: self.names,
            answer: Answer::new(),
        };
        if inner.word()? == 1 {
            inner.attributes("obj")?;
        }
        let handle = inner.word()? == 1;
        if handle {
            inner.opaque()?;
        }
        let Reader { rest, answer, .. } = inner;
        self.rest = rest;
        Ok((answer, handle))
    }
}
