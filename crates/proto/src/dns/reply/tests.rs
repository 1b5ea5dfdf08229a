use proptest::prelude::*;

use super::*;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn question() -> Question {
    Question::new(0x1234, name("nas.lab"))
}

/// A record: its owner, type and data.
type Record = (Vec<u8>, u16, Vec<u8>);

/// The queried name as servers write it: a pointer to the question.
const QUERIED: [u8; 2] = [0xc0, 12];

fn a(owner: &[u8], address: [u8; 4]) -> Record {
    (owner.to_vec(), A, address.to_vec())
}

fn cname(owner: &[u8], target: &str) -> Record {
    (owner.to_vec(), CNAME, name(target).wire().to_vec())
}

fn reply(flags: u16, records: &[Record]) -> Vec<u8> {
    let mut bytes = question().datagram();
    bytes[2..4].copy_from_slice(&flags.to_be_bytes());
    let count = u16::try_from(records.len()).unwrap();
    bytes[6..8].copy_from_slice(&count.to_be_bytes());
    for (owner, kind, data) in records {
        bytes.extend(owner);
        bytes.extend(kind.to_be_bytes());
        bytes.extend(INTERNET.to_be_bytes());
        bytes.extend(60_u32.to_be_bytes());
        bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        bytes.extend(data);
    }
    bytes
}

const FINE: u16 = 0x8180;

fn answer(records: &[Record]) -> Result<Answer, Ignored> {
    question().answer(&reply(FINE, records))
}

#[test]
fn the_first_eight_addresses_are_kept_in_the_servers_order() {
    let records: Vec<Record> = (1..=20).map(|n| a(&QUERIED, [10, 0, 0, n])).collect();
    let expected = (1..=8).map(|n| IpAddr::from([10, 0, 0, n])).collect();
    assert_eq!(answer(&records), Ok(Answer::Addresses(expected)));
}

#[test]
fn aliases_are_followed_in_any_order() {
    let far = name("b.lab");
    let records = [
        a(far.wire(), [10, 0, 0, 9]),
        cname(name("a.lab").wire(), "B.lab"),
        cname(&QUERIED, "a.lab"),
    ];
    let expected = Answer::Addresses(vec![[10, 0, 0, 9].into()]);
    assert_eq!(answer(&records), Ok(expected));
    assert_eq!(
        answer(&[cname(&QUERIED, "elsewhere.org")]),
        Ok(Answer::Alias(name("elsewhere.org")))
    );
}

#[test]
fn an_alias_loop_has_no_address() {
    let records = [
        cname(&QUERIED, "a.lab"),
        cname(name("a.lab").wire(), "nas.lab"),
    ];
    assert_eq!(answer(&records), Ok(Answer::Nothing));
}

#[test]
fn addresses_of_other_names_and_impossible_addresses_are_ignored() {
    assert_eq!(
        answer(&[
            a(name("evil.org").wire(), [6, 6, 6, 6]),
            a(&QUERIED, [127, 0, 0, 1]),
            a(&QUERIED, [0, 0, 0, 0]),
            a(&QUERIED, [224, 0, 0, 1]),
        ]),
        Ok(Answer::Nothing)
    );
}

#[test]
fn a_name_that_does_not_exist_differs_from_a_server_that_fails() {
    let answer = |flags| question().answer(&reply(flags, &[]));
    assert_eq!(answer(0x8183), Ok(Answer::Nothing));
    assert_eq!(answer(0x8182), Ok(Answer::Failed { code: 2 }));
    assert_eq!(answer(0x8185), Ok(Answer::Failed { code: 5 }));
}

#[test]
fn answers_to_other_queries_are_ignored() {
    let fine = reply(FINE, &[a(&QUERIED, [10, 0, 0, 9])]);
    let other = Question::new(0x1235, name("nas.lab"));
    assert_eq!(other.answer(&fine), Err(Ignored::AnotherQuestion));
    let other = Question::new(0x1234, name("nas2.lab"));
    assert_eq!(other.answer(&fine), Err(Ignored::AnotherQuestion));
    let own = question().datagram();
    assert_eq!(question().answer(&own), Err(Ignored::NotAResponse));
}

#[test]
fn a_truncated_answer_is_used_as_far_as_it_goes() {
    let whole = reply(
        FINE | TRUNCATED,
        &[a(&QUERIED, [10, 0, 0, 9]), a(&QUERIED, [10, 0, 0, 8])],
    );
    let cut = &whole[..whole.len() - 5];
    let expected = Answer::Addresses(vec![[10, 0, 0, 9].into()]);
    assert_eq!(question().answer(cut), Ok(expected));
    let mut unmarked = whole.clone();
    unmarked[2..4].copy_from_slice(&FINE.to_be_bytes());
    unmarked.truncate(whole.len() - 5);
    assert_eq!(question().answer(&unmarked), Err(Ignored::Malformed));
}

proptest! {
    #[test]
    fn no_datagram_causes_a_panic_or_exceeds_the_limits(
        tail in proptest::collection::vec(any::<u8>(), 0..300), records in any::<u16>(), flags in any::<u16>()
    ) {
        let mut datagram = reply(flags | RESPONSE, &[]);
        datagram[6..8].copy_from_slice(&records.to_be_bytes());
        datagram.extend(tail);
        if let Ok(Answer::Addresses(addresses)) = question().answer(&datagram) {
            prop_assert!((1..=MAX_ADDRESSES).contains(&addresses.len()));
        }
        let _ = question().answer(&datagram[12..]);
    }

    #[test]
    fn a_cut_off_answer_without_the_truncation_flag_is_refused(cut in 1usize..100) {
        let mut datagram = reply(FINE, &[cname(&QUERIED, "a.lab"), a(name("a.lab").wire(), [10, 0, 0, 9])]);
        let length = datagram.len();
        datagram.truncate(length.saturating_sub(cut));
        prop_assert!(question().answer(&datagram).is_err());
    }

    #[test]
    fn a_damaged_answer_stays_within_the_limits(at in 0usize..80, bit in 0u8..8) {
        let mut datagram = reply(FINE, &[cname(&QUERIED, "a.lab"), a(name("a.lab").wire(), [10, 0, 0, 9])]);
        if let Some(byte) = datagram.get_mut(at) {
            *byte ^= 1 << bit;
        }
        if let Ok(Answer::Alias(alias)) = question().answer(&datagram) {
            prop_assert!(alias.wire().len() <= 255);
        }
    }
}
