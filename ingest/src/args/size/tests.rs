use super::*;

#[track_caller]
fn check(text: &str, expected: Option<u64>) {
    assert_eq!(text.parse::<Size>().ok().map(|size| size.0), expected, "{text:?}");
}

#[test]
fn sizes_are_read_as_kubernetes_writes_them() {
    check("1500", Some(1_500));
    check("50Gi", Some(50 << 30));
    check("500M", Some(500_000_000));
    for wrong in ["", "Gi", "1.5Gi", "-1", "5 Gi", "5GB", "99999999Ti"] {
        check(wrong, None);
    }
}
