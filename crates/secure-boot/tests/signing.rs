//! Keys, and what they sign.

use netroot_secure_boot::{Binary, Certificate, SignError, SigningKey, SigningKeyError};

const KEY: &[u8] = include_bytes!("signing/key.pem");
const CERTIFICATE: &[u8] = include_bytes!("signing/certificate.pem");

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
    file.extend(b"not a multiple of eight");
    file
}

#[test]
fn what_is_signed_is_valid_the_same_each_time_and_not_signed_again() {
    let key = SigningKey::from_pem(KEY, CERTIFICATE).unwrap();
    let signed = key.sign(binary()).unwrap();
    let read = Binary::parse(&signed).unwrap();
    let signatures: Vec<_> = read.valid_signatures().collect();
    assert_eq!(signatures.len(), 1);
    assert_eq!(signatures[0].signer(), "A key for tests alone");
    assert_eq!(key.sign(binary()).unwrap(), signed);
    assert_eq!(key.sign(signed.clone()), Err(SignError::Signed));

    let mut altered = signed;
    altered[0x205] ^= 1;
    assert_eq!(
        Binary::parse(&altered).unwrap().valid_signatures().count(),
        0
    );
    assert!(matches!(
        key.sign(b"MZ no binary".to_vec()),
        Err(SignError::Binary(_))
    ));
}

#[test]
fn a_certificate_of_the_issuer_goes_along() {
    let both = [CERTIFICATE, include_bytes!("signing/other-certificate.pem")].concat();
    let key = SigningKey::from_pem(KEY, &both).unwrap();
    let signed = key.sign(binary()).unwrap();
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
