use super::*;

#[test]
fn a_message_is_new_once_in_its_namespace() {
    let mut seen = Seen::default();
    let id = Uuid::from_u128(1);
    assert!(seen.is_new("demo", id));
    assert!(!seen.is_new("demo", id));
    assert!(seen.is_new("other", id), "another namespace cannot take its place");
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut seen = Seen::default();
    for number in 0..=REMEMBERED as u128 {
        assert!(seen.is_new("demo", Uuid::from_u128(number)));
    }
    assert_eq!(seen.told.len(), REMEMBERED);
    assert!(!seen.is_new("demo", Uuid::from_u128(1)), "the oldest but one is still known");
    assert!(seen.is_new("demo", Uuid::from_u128(0)));
}
