use proptest::prelude::*;

use super::*;

fn keys(current: u8) -> SealKeys {
    SealKeys::new(SealKey::new(&[current; 32]), None)
}

fn subject() -> Subject {
    Subject::new("text", b"intents/7")
}

fn nonce(seed: u8) -> [u8; NONCE_BYTES] {
    [seed; NONCE_BYTES]
}

#[test]
fn a_key_before_the_current_one_opens_and_never_seals() {
    let old = keys(1).seal(&subject(), b"old", nonce(1));
    let both = SealKeys::new(SealKey::new(&[2; 32]), Some(SealKey::new(&[1; 32])));
    assert_eq!(both.open(&subject(), &old).unwrap(), b"old");

    let new = both.seal(&subject(), b"new", nonce(2));
    assert_eq!(keys(2).open(&subject(), &new).unwrap(), b"new");
    assert_eq!(keys(1).open(&subject(), &new), Err(Unreadable::OtherKey(both.current())));
}

#[test]
fn an_envelope_in_the_place_of_another_is_refused() {
    let envelope = keys(1).seal(&subject(), b"of 7", nonce(1));
    let other = Subject::new("text", b"intents/8");
    assert_eq!(keys(1).open(&other, &envelope), Err(Unreadable::OtherSubject));
    let form = Subject::new("text, version 2", b"intents/7");
    assert_eq!(keys(1).open(&form, &envelope), Err(Unreadable::OtherForm));

    // Its header rewritten to say what is expected, the seal tells.
    let mut forged = envelope;
    forged[12..28].copy_from_slice(&other.digest);
    assert_eq!(keys(1).open(&other, &forged), Err(Unreadable::Damaged));
}

#[test]
fn equal_contents_are_sealed_unequally() {
    let once = keys(1).seal(&subject(), b"same", nonce(1));
    let again = keys(1).seal(&subject(), b"same", nonce(2));
    assert_ne!(once[HEADER_BYTES..], again[HEADER_BYTES..]);
}

/// What this version writes is read by every later one.
#[test]
fn an_envelope_of_version_1_is_what_it_always_was() {
    let envelope = keys(7).seal(&subject(), b"company:42", nonce(9));
    let digits: String = envelope.iter().map(|byte| format!("{byte:02x}")).collect();
    let then = "a16c6301029d8cd6fc03ba99599f6b5f7cb35d7fc925472c4395a533831c6831fdc9a309090909090909090909090909090909\
                0909090909090909094a7408f61f23503290382f7d11b8722bec6e7532e524e1c9b408";
    assert_eq!(digits, then);
}

#[test]
fn a_key_is_not_shown_and_its_name_is_another_for_each() {
    let key = SealKey::parse("a2V5IG9mIDMyIGJ5dGVzLCBub3QgYSByZWFsIG9uZSE").unwrap();
    assert_eq!(key.id(), SealKey::new(b"key of 32 bytes, not a real one!").id());
    let shown = format!("{key:?} {:?}", SealKeys::new(key.clone(), Some(key.clone())));
    assert!(!shown.contains("key of") && shown.contains(&key.id().to_string()), "{shown}");
    assert_ne!(key.id(), SealKey::new(&[0; 32]).id());
}

#[test]
fn only_what_spells_32_bytes_is_a_key() {
    let hex = "00".repeat(32);
    let base64 = "A".repeat(43);
    for text in
        [hex.as_str(), &base64, &format!("{base64}="), &"fF".repeat(32), &format!("{}-_8", "a".repeat(40))]
    {
        assert!(SealKey::parse(text).is_ok(), "{text}");
    }
    let wrong = [
        String::new(),
        "passphrase".to_owned(),
        hex[1..].to_owned(),
        format!("{hex}0"),
        format!("{}zz", &hex[2..]),
        base64[1..].to_owned(),
        format!("{base64}=="),
        format!("{base64}A"),
        format!("{}B", &base64[1..]), // Its last bits are part of no byte.
        format!("{}é", &base64[2..]),
        format!(" {base64}"),
    ];
    for text in wrong {
        assert_eq!(SealKey::parse(&text).err(), Some(KeyRefused), "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_sealed_is_opened(content: Vec<u8>, key: Vec<u8>, seed: u8) {
        let subject = Subject::new("text", &key);
        let envelope = keys(1).seal(&subject, &content, nonce(seed));
        prop_assert_eq!(envelope.len(), HEADER_BYTES + content.len() + 16);
        prop_assert_eq!(keys(1).open(&subject, &envelope).unwrap(), content);
    }

    #[test]
    fn any_change_is_noticed(content: Vec<u8>, at: prop::sample::Index, bit in 0_u8..8) {
        let mut envelope = keys(1).seal(&subject(), &content, nonce(3));
        let at = at.index(envelope.len());
        envelope[at] ^= 1_u8 << bit;
        prop_assert!(keys(1).open(&subject(), &envelope).is_err());
        envelope[at] ^= 1_u8 << bit;
        envelope.truncate(at);
        prop_assert!(keys(1).open(&subject(), &envelope).is_err());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        prop_assert!(keys(1).open(&subject(), &bytes).is_err());
    }
}
