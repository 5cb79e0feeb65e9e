use super::{MOST, Shown};
use crate::tail::said::Said;

fn said(namespace: &str, id: usize) -> Said {
    Said { workflow_namespace: namespace.to_owned(), id: id.to_string(), ..Said::default() }
}

#[test]
fn a_message_is_shown_once_and_memory_has_an_end() {
    let mut shown = Shown::default();
    assert!((0..2 * MOST).all(|id| shown.first(&said("a", id))));
    assert!((MOST..2 * MOST).all(|id| !shown.first(&said("a", id))));
    assert!(shown.first(&said("b", MOST)), "an id is of one namespace");
    assert!(shown.0.len() <= MOST);
}
