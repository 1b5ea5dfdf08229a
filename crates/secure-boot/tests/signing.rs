//! Keys, and what they sign.

use std::io::{self, Write};

use netroot_secure_boot::{Binary, Certificate, Hashing, SigningKey, SigningKeyError};

const KEY: &[u8] = include_bytes!("signing/key.pem");
const CERTIFICATE: &[u8] = include_bytes!("signing/certificate.pem");

/// Where the optional header of [`binary`] is, and in it the checksum and the certificate table's entry.
const OPTIONAL: usize = 0x40 + 4 + 20;
const CHECKSUM: usize = OPTIONAL + 64;
const ENTRY: usize = OPTIONAL + 112 + 4 * 8;

/// An EFI binary without sections: headers of 512 bytes, with 16 data directories, and some bytes behind them.
fn binary() -> Vec<u8> {
    const SIZE: [u8; 4] = 0x200_u32.to_le_bytes();
    let mut file = [&b"MZ"[..], &[0; 0x3a], &0x40_u32.to_le_bytes()].concat();
    // The COFF header: the processor, no sections, and the length of the optional header.
    file.extend(b"PE\0\0");
    file.extend(0x8664_u16.to_le_bytes());
    file.extend([0; 14]);
    file.extend(240_u16.to_le_bytes());
    file.extend([0x06, 0x02]);
    // The optional header: PE32+, alignments, lengths, and how many data directories follow.
    file.extend(0x20b_u16.to_le_bytes());
    file.extend([0; 30]);
    file.extend([SIZE, SIZE].concat());
    file.extend([0; 16]);
    file.extend([SIZE, SIZE].concat());
    file.extend([0; 44]);
    file.extend(16_u32.to_le_bytes());
    file.resize(0x200, 0);
    file.extend(b"some sixteen bytes, and as many");
    file.push(b'!');
    file
}

/// [`binary`] with the key's signature.
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the binary is the one above"
)]
fn signed_by(key: &SigningKey) -> Vec<u8> {
    let mut file = binary();
    let mut nowhere = io::sink();
    let mut hashing = Hashing::new(&mut nowhere, [CHECKSUM..CHECKSUM + 4, ENTRY..ENTRY + 8]);
    hashing.write_all(&file).unwrap();
    let table = key.certificate_table(&hashing.finish()).unwrap();
    let length = key.certificate_table(&[0; 32]).unwrap().len();
    assert_eq!(
        length,
        table.len(),
        "it is reserved before the digest is known"
    );
    let [start, length] = [file.len(), length].map(|number| u32::try_from(number).unwrap());
    file[ENTRY..ENTRY + 4].copy_from_slice(&start.to_le_bytes());
    file[ENTRY + 4..ENTRY + 8].copy_from_slice(&length.to_le_bytes());
    file.extend(table);
    file
}

#[test]
fn what_is_signed_is_valid_and_the_same_each_time() {
    let key = SigningKey::from_pem(KEY, CERTIFICATE).unwrap();
    let signed = signed_by(&key);
    let read = Binary::parse(&signed).unwrap();
    let signatures: Vec<_> = read.valid_signatures().collect();
    assert_eq!(signatures.len(), 1);
    assert_eq!(signatures[0].signer(), "A key for tests alone");
    assert_eq!(signed_by(&key), signed);

    let mut altered = signed;
    altered[0x205] ^= 1;
    assert_eq!(
        Binary::parse(&altered).unwrap().valid_signatures().count(),
        0
    );
}

#[test]
fn a_certificate_of_the_issuer_goes_along() {
    let both = [CERTIFICATE, include_bytes!("signing/other-certificate.pem")].concat();
    let key = SigningKey::from_pem(KEY, &both).unwrap();
    let signed = signed_by(&key);
    assert_eq!(
        Binary::parse(&signed).unwrap().valid_signatures().count(),
        1
    );
    let name = b"Another one";
    assert!(signed.windows(name.len()).any(|window| window == name));
}

#[test]
fn keys_that_cannot_sign_are_told_apart() {
    let told = |key: &[u8], certificate: &[u8]| SigningKey::from_pem(key, certificate).unwrap_err();
    let encrypted = include_bytes!("signing/encrypted-key.pem");
    let elliptic = include_bytes!("signing/elliptic-key.pem");
    let other = include_bytes!("signing/other-certificate.pem");
    assert_eq!(told(b"", CERTIFICATE), SigningKeyError::NoKey);
    assert_eq!(told(CERTIFICATE, CERTIFICATE), SigningKeyError::NoKey);
    assert_eq!(told(encrypted, CERTIFICATE), SigningKeyError::Encrypted);
    assert!(matches!(
        told(elliptic, CERTIFICATE),
        SigningKeyError::Unusable(_)
    ));
    assert_eq!(told(KEY, KEY), SigningKeyError::NoCertificate);
    let name = "CN=Another one".to_owned();
    assert_eq!(told(KEY, other), SigningKeyError::OtherKey(name));
    let debug = format!("{:?}", SigningKey::from_pem(KEY, CERTIFICATE).unwrap());
    assert_eq!(debug, "SigningKey(\"CN=A key for tests alone\")");
    assert!(Certificate::from_der(CERTIFICATE).is_err(), "it is PEM");
}
