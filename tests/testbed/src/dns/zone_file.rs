//! A zone file that is read again whenever it changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Result, bail};
use hickory_proto::rr::{Name, RData};
use hickory_proto::serialize::txt::Parser;

use super::answer::TTL;
use super::programme::Zone;

/// When and how long the file was; another state is another content.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
}

#[derive(Debug)]
pub(super) struct ZoneFile {
    path: PathBuf,
    read: Option<Stamp>,
}

impl ZoneFile {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            read: None,
        }
    }

    /// The file's records, if it changed since it was last read.
    pub(super) fn changed(&mut self) -> Option<Zone> {
        let stamp = fs::metadata(&self.path).ok().map(|metadata| Stamp {
            modified: metadata.modified().ok(),
            length: metadata.len(),
        })?;
        if self.read.as_ref() == Some(&stamp) {
            return None;
        }
        // Should the file change between the two reads, the next query reads it again.
        let text = fs::read_to_string(&self.path).ok()?;
        self.read = Some(stamp);
        Some(parse(&text, &self.path))
    }
}

/// Takes every good line; a bad one is told and skipped, so that one typing error does not take
/// all records away.
fn parse(text: &str, path: &Path) -> Zone {
    let mut zone = Zone::default();
    for (index, line) in text.lines().enumerate() {
        if let Err(error) = parse_line(line, &mut zone) {
            eprintln!("{}:{}: skipped: {error:#}", path.display(), index + 1);
        }
    }
    zone
}

fn parse_line(line: &str, zone: &mut Zone) -> Result<()> {
    if line.trim_start().starts_with('$') {
        bail!("directives are not supported; write whole names");
    }
    // The parser wants a TTL, from the line or from before it.
    let input = format!("$TTL {TTL}\n{line}");
    let (_, records) = Parser::new(input, None, Some(Name::root())).parse()?;
    let is_blank = line.split(';').next().unwrap_or(line).trim().is_empty();
    if records.is_empty() && !is_blank {
        bail!("no record; write it as: name 60 IN TXT \"value\"");
    }
    for record in records
        .values()
        .flat_map(|set| set.records_without_rrsigs())
    {
        let name = record.name.to_ascii();
        match &record.data {
            RData::TXT(txt) => {
                let strings = txt.txt_data.iter().map(|string| string.to_vec());
                zone.add_txt(&name, strings.collect());
            }
            RData::CNAME(target) => zone.set_cname(&name, &target.to_ascii()),
            _ => bail!("only TXT and CNAME records are supported"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::programme::Lookup;
    use super::*;

    #[test]
    fn good_lines_count_and_bad_ones_do_not() {
        let text = "; a comment\n\
            \n\
            _freehold-challenge.acme.example. 60 IN TXT \"token=a; b\"\n\
            Acme.example 60 IN TXT \"one\" \"two\"\n\
            acme.example. TXT three\n\
            www.acme.example. IN CNAME acme.example.\n\
            broken.example. IN\n\
            $TTL 60\n\
            half.example. IN TXT \"val";
        let zone = parse(text, Path::new("test.zone"));

        let value = |text: &str| text.as_bytes().to_vec();
        assert_eq!(
            zone.lookup("_freehold-challenge.acme.example"),
            Lookup::Txt(&[vec![value("token=a; b")]])
        );
        assert_eq!(
            zone.lookup("acme.example"),
            Lookup::Txt(&[vec![value("one"), value("two")], vec![value("three")]])
        );
        assert_eq!(
            zone.lookup("www.acme.example"),
            Lookup::Cname("acme.example.")
        );
        assert_eq!(zone.lookup("broken.example"), Lookup::Unknown);
        assert_eq!(zone.lookup("half.example"), Lookup::Unknown);
    }

    #[test]
    fn a_file_is_read_only_when_it_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo.zone");
        let mut file = ZoneFile::new(&path);
        assert!(file.changed().is_none(), "there is no file yet");

        fs::write(&path, "a.example. IN TXT \"1\"\n").unwrap();
        assert!(file.changed().is_some());
        assert!(file.changed().is_none());

        fs::write(&path, "a.example. IN TXT \"1\"\nb.example. IN TXT \"2\"\n").unwrap();
        let zone = file.changed().unwrap();
        assert_ne!(zone.lookup("b.example"), Lookup::Unknown);
    }
}
