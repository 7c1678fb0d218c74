//! Facts about quotas and SCRAM credentials in the metadata.

use wire::primitive::Reader;

use super::*;

fn entity(parts: &[(QuotaEntityType, Option<&str>)]) -> QuotaEntity {
    parts.iter().map(|(kind, name)| (*kind, name.map(ToOwned::to_owned))).collect()
}

fn quotas(entity: QuotaEntity, changes: &[(&str, Option<f64>)]) -> Record {
    let changes = changes.iter().map(|(key, value)| ((*key).to_owned(), value.map(Quota::from)));
    Record::QuotasChanged { entity, changes: changes.collect() }
}

fn scram(user: &str, mechanism: ScramMechanism, credential: Option<ScramCredential>) -> Record {
    Record::ScramChanged { user: user.into(), mechanism, credential }
}

fn credential() -> ScramCredential {
    ScramCredential { iterations: 4096, salt: vec![91; 3], stored_key: vec![92; 2], server_key: vec![93; 2] }
}

fn bytes(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.write(&mut bytes);
    bytes
}

#[test]
fn records_are_read_as_they_were_written() {
    let of_all = entity(&[(QuotaEntityType::User, None), (QuotaEntityType::ClientId, Some("c"))]);
    let record = quotas(of_all, &[("a", Some(2.0)), ("b", None)]);
    // docs/format/entry.md
    let mut expected = vec![7, 0, 2, 0, 2, b'c', 1, 0, 0, 0, 0, 2, 2, b'a', 1, 64];
    expected.extend([0; 7]);
    expected.extend([2, b'b', 0]);
    expected.extend([0; 8]);
    assert_eq!(bytes(&record), expected);
    assert_eq!(Record::read(&mut Reader::new(&expected)).unwrap(), record);

    let record = scram("u", ScramMechanism::Sha512, Some(credential()));
    let expected = [8, 0, 2, b'u', 2, 0, 0, 16, 0, 4, 91, 91, 91, 3, 92, 92, 3, 93, 93];
    assert_eq!(bytes(&record), expected);
    assert_eq!(Record::read(&mut Reader::new(&expected)).unwrap(), record);
    let gone = scram("u", ScramMechanism::Sha256, None);
    assert_eq!(bytes(&gone), [8, 0, 2, b'u', 1, 0, 0, 0, 0]);
    assert_eq!(Record::read(&mut Reader::new(&bytes(&gone))).unwrap(), gone);
}

#[test]
fn a_record_that_is_cut_short_or_of_a_newer_build_is_refused() {
    let of_user = entity(&[(QuotaEntityType::User, Some("u"))]);
    let records =
        [quotas(of_user, &[("a", Some(1.0))]), scram("u", ScramMechanism::Sha256, Some(credential()))];
    for whole in records.iter().map(bytes) {
        for length in 2..whole.len() {
            let read = Record::read(&mut Reader::new(&whole[..length]));
            assert!(matches!(read, Err(RecordError::Malformed(_))), "{length} of {whole:?}: {read:?}");
        }
    }
    let said = |bytes: &[u8]| Record::read(&mut Reader::new(bytes)).unwrap_err().to_string();
    let newer = "metadata record: quotas for clients by 9 are not known to this build";
    assert_eq!(said(&[7, 0, 1, 9, 0]), newer);
    assert_eq!(said(&[8, 0, 2, b'u', 3]), "metadata record: SCRAM mechanism 3 is not known to this build");
}

#[test]
fn what_is_set_survives_a_snapshot_and_what_was_taken_back_is_gone() {
    let (by_user, by_ip) =
        (entity(&[(QuotaEntityType::User, Some("u"))]), entity(&[(QuotaEntityType::Ip, None)]));
    let mut image = Image::default();
    image.apply(quotas(by_user.clone(), &[("a", Some(1.0)), ("b", Some(f64::NAN))]));
    image.apply(quotas(by_user.clone(), &[("a", None), ("c", Some(3.0))]));
    image.apply(quotas(by_ip.clone(), &[("a", Some(1.0))]));
    image.apply(quotas(by_ip, &[("a", None)]));
    assert_eq!(image.apply(scram("u", ScramMechanism::Sha256, Some(credential()))), Applied::ScramChanged);
    assert_eq!(image.apply(scram("v", ScramMechanism::Sha512, Some(credential()))), Applied::ScramChanged);
    assert_eq!(image.apply(scram("v", ScramMechanism::Sha512, None)), Applied::ScramChanged);
    // Of two requests to delete a credential the second has to hear that it was gone.
    assert_eq!(image.apply(scram("v", ScramMechanism::Sha512, None)), Applied::ScramUnknown);

    let mut copy = Image::default();
    for record in image.snapshot() {
        copy.apply(Record::read(&mut Reader::new(&bytes(&record))).unwrap());
    }
    assert_eq!(copy.snapshot(), image.snapshot());
    assert_eq!(format!("{:?}", copy.quotas()), r#"{{User: Some("u")}: {"b": NaN, "c": 3.0}}"#);
    assert_eq!(copy.quotas().keys().collect::<Vec<_>>(), [&by_user]);
    let key = ("u".to_owned(), ScramMechanism::Sha256);
    assert_eq!(copy.scram_credentials().iter().collect::<Vec<_>>(), [(&key, &credential())]);
}

#[test]
fn a_credential_does_not_show_itself() {
    // Could break: a trace of a record that has in it what passwords can be guessed from.
    let shown = format!("{:?}", scram("u", ScramMechanism::Sha256, Some(credential())));
    assert!(shown.contains("4096"), "{shown}");
    assert!(["91", "92", "93"].iter().all(|secret| !shown.contains(secret)), "{shown}");
}
