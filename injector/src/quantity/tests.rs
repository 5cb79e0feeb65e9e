use super::Quantity;

#[track_caller]
fn check(text: &str, millis: Option<u128>) {
    assert_eq!(Quantity::parse(text).map(|quantity| quantity.in_millis()), millis, "{text}");
}

#[test]
fn amounts_are_read_as_kubernetes_writes_them() {
    check("1", Some(1000));
    check("500m", Some(500));
    check("0.5", Some(500));
    check(".5", Some(500));
    check("64Mi", Some(64 * 1024 * 1024 * 1000));
    check("1.5Gi", Some(1536 * 1024 * 1024 * 1000));
    check("1k", Some(1_000_000));
    check("1e3", Some(1_000_000));
    check("2E", Some(2_000_000_000_000_000_000_000));
}

#[test]
fn what_is_no_amount_is_refused() {
    for text in ["", "m", "-1", "ten", "1 Mi", "1MiB", "1e", "0.0001", "1.2.3", "99999999999999999999999999999999999999999"] {
        check(text, None);
    }
}
