//! Whose certificate it is, without reading the rest of it.

use der::asn1::AnyRef;
use der::{Decode, Reader, SliceReader, Tag, Tagged};

/// The object identifier of a common name (X.520 `id-at-commonName`, 2.5.4.3), as DER has it.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
/// Which of the sequences in what is signed is the subject: it follows the algorithm, the issuer and the validity.
const SUBJECT: usize = 3;
/// The longest name that is returned, in characters (RFC 5280, `ub-common-name`).
const LONGEST: usize = 64;

/// The common name of the certificate's owner; `None` if it has none, or is no certificate in DER (RFC 5280 §4.1).
pub fn common_name(certificate: &[u8]) -> Option<String> {
    let certificate = values(certificate).next()?;
    let signed = values(certificate.value()).next()?;
    // The version has a tag of its own, and the serial number is an integer.
    let mut sequences = values(signed.value()).filter(|it| it.tag() == Tag::Sequence);
    let subject = sequences.nth(SUBJECT)?;
    let mut attributes = values(subject.value()).flat_map(|set| values(set.value()));
    attributes.find_map(|attribute| {
        let mut parts = values(attribute.value());
        let kind = parts.next()?;
        let name = parts.next().filter(|_| kind.value() == COMMON_NAME)?;
        let name = String::from_utf8_lossy(name.value());
        Some(name.chars().take(LONGEST).collect())
    })
}

/// The values that follow each other in `bytes`, up to the first that is none.
fn values(bytes: &[u8]) -> impl Iterator<Item = AnyRef<'_>> {
    let mut reader = SliceReader::new(bytes).ok();
    std::iter::from_fn(move || {
        let reader = reader.as_mut().filter(|reader| !reader.is_finished())?;
        AnyRef::decode(reader).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value with a short length.
    fn value(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        assert!(length < 0x80);
        [&[tag, length], content].concat()
    }

    fn name(attributes: &[([u8; 3], &str)]) -> Vec<u8> {
        let sets = attributes.iter().map(|(kind, text)| {
            let attribute = [value(6, kind), value(12, text.as_bytes())].concat();
            value(0x31, &value(0x30, &attribute))
        });
        value(0x30, &sets.collect::<Vec<_>>().concat())
    }

    fn certificate(subject: &[u8]) -> Vec<u8> {
        let empty = value(0x30, &[]);
        let signed = [
            &value(0xa0, &value(2, &[2])),
            &value(2, &[7]),
            &*empty,
            &name(&[(COMMON_NAME, "the issuer")]),
            &empty,
            subject,
            &empty,
        ];
        let signed = signed.concat();
        value(0x30, &value(0x30, &signed))
    }

    fn certificate_of(subject: &[([u8; 3], &str)]) -> Vec<u8> {
        certificate(&name(subject))
    }

    #[test]
    fn the_subjects_common_name_is_found_wherever_it_stands() {
        let organization = ([0x55, 0x04, 0x0a], "Example");
        let both = certificate_of(&[organization, (COMMON_NAME, "Example CA")]);
        assert_eq!(common_name(&both).as_deref(), Some("Example CA"));
        assert_eq!(common_name(&certificate_of(&[organization])), None);
    }

    #[test]
    fn what_is_cut_or_mangled_has_a_name_or_none() {
        let whole = certificate_of(&[(COMMON_NAME, "Example CA")]);
        for cut in 0..whole.len() {
            assert_eq!(common_name(&whole[..cut]), None, "{cut}");
        }
        for at in 0..whole.len() {
            let mut mangled = whole.clone();
            mangled[at] ^= 0xff;
            let _ = common_name(&mangled);
        }
    }
}
