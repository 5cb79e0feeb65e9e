use super::in_one_line;

#[derive(Debug, thiserror::Error)]
#[error("cannot store")]
struct Outer(#[source] std::io::Error);

#[test]
fn every_cause_is_told_in_one_line() {
    let error = Outer(std::io::Error::other("disk\nfull"));
    assert_eq!(in_one_line(&error), "cannot store: disk full");
}
